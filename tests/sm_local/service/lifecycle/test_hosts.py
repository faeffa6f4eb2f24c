"""Training jobs with several hosts on this machine, on both kinds of network."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sm_local.jobnetwork import NETWORK_VARIABLE, Networks

pytestmark = pytest.mark.integ

HOSTS = ["algo-1", "algo-2"]
KINDS = ["private", "shared"]


def resources(count: int = 2) -> dict[str, Any]:
    return {
        "ResourceConfig": {
            "InstanceType": "ml.c4.xlarge",
            "InstanceCount": count,
            "VolumeSizeInGB": 1,
        }
    }


@pytest.fixture(scope="module", params=KINDS)
def network(request: pytest.FixtureRequest) -> Iterator[str]:
    """The kind of network that the module's service insists on."""
    kind: str = request.param
    found = Networks().find()
    if kind == "private" and not found.private:
        pytest.skip(found.reason)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(NETWORK_VARIABLE, kind)
        yield kind


@pytest.fixture(scope="module")
def cluster(
    network: str, run_service: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """A service whose jobs have that network."""
    with run_service(tmp_path_factory.mktemp(network)) as service:
        yield service


def test_hosts_find_each_other_and_the_service(cluster: Any, network: str) -> None:
    cluster.train("meets", "hosts", **resources())
    description = cluster.ended("meets")
    assert description["TrainingJobStatus"] == "Completed", cluster.log("meets")
    files = cluster.archive("out/meets/output/model.tar.gz")
    assert sorted(files) == ["algo-1.json", "algo-2.json", "listing.json", "same"]
    seen = {host: json.loads(files[f"{host}.json"]) for host in HOSTS}
    for host in HOSTS:
        assert seen[host]["found"] == {other: other for other in HOSTS}
        assert seen[host]["service"] == 403
        assert seen[host]["resources"]["current_host"] == host
        assert seen[host]["resources"]["hosts"] == HOSTS
        interface = seen[host]["resources"]["network_interface_name"]
        assert interface in seen[host]["interfaces"]
    if network == "private":
        assert seen["algo-1"]["interfaces"] == ["lo", "eth0"]
        assert [seen[host]["name"] for host in HOSTS] == HOSTS
    if hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0)) > 1:
        first, second = (set(seen[host]["cpus"]) for host in HOSTS)
        assert first | second == os.sched_getaffinity(0)
        assert not first & second


def test_what_the_hosts_leave_is_put_together(cluster: Any) -> None:
    cluster.train("merges", "hosts", **resources(3))
    assert cluster.ended("merges")["TrainingJobStatus"] == "Completed"
    model = cluster.archive("out/merges/output/model.tar.gz")
    assert model["same"] == b"algo-1"
    output = cluster.archive("out/merges/output/output.tar.gz")
    assert sorted(output) == ["algo-1", "algo-2", "algo-3"]
    (warning,) = [line for line in cluster.log("merges") if "several hosts wrote" in line]
    assert warning == (
        "model.tar.gz: several hosts wrote listing.json, same; the file of the first host is kept"
    )


def test_each_host_has_a_log(cluster: Any) -> None:
    cluster.train("logged", **resources())
    cluster.ended("logged")
    for host in HOSTS:
        assert cluster.log("logged", f"{host}-").count("training: complete") == 1


def test_the_log_says_once_that_names_do_not_resolve(cluster: Any, network: str) -> None:
    cluster.train("named", **resources())
    cluster.ended("named")
    said = [line for line in cluster.log("named") if "names do not resolve" in line]
    assert len(said) == (network == "shared")


def test_a_host_that_fails_ends_the_job_with_its_reason(cluster: Any) -> None:
    cluster.train("fails", "second-fails", **resources())
    description = cluster.ended("fails")
    assert description["FailureReason"] == (
        "AlgorithmError: ValueError: of the second, exit code: 4"
    )
    assert "algo-2 failed with exit code 4" in cluster.log("fails", "algo-1-")
    (folder,) = cluster.home.jobs.glob("fails-*")
    cluster.until(lambda: not (folder / "spec.json").exists())
    left = {path.name for path in folder.iterdir()}
    assert left <= {"logs", "events.jsonl", "lock", "supervisor.log"}


def test_a_job_of_several_hosts_that_is_stopped(cluster: Any) -> None:
    cluster.train("stops", "wait", **resources())
    cluster.until(lambda: cluster.log("stops").count("waiting") == 2)
    cluster.client("sagemaker").stop_training_job(TrainingJobName="stops")
    assert cluster.ended("stops")["TrainingJobStatus"] == "Stopped"
    assert "stopped" in cluster.archive("out/stops/output/model.tar.gz")


def keeper(service: Any, name: str) -> int:
    """The process that keeps a job's network."""
    (events,) = service.home.jobs.glob(f"{name}-*/events.jsonl")
    started = [json.loads(line) for line in events.read_text().splitlines()]
    pid: int = next(each["pid"] for each in started if each.get("host") == "network")
    return pid


def test_a_network_that_is_lost_ends_the_job(cluster: Any, network: str) -> None:
    if network == "shared":
        pytest.skip("there is none of the job's own")
    cluster.train("cut-off", "wait", **resources())
    cluster.until(lambda: cluster.log("cut-off").count("waiting") == 2)
    os.kill(keeper(cluster, "cut-off"), signal.SIGKILL)
    reason = cluster.ended("cut-off")["FailureReason"]
    assert reason == "InternalServerError: the network of the job ended before it did"


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_nothing_that_a_job_opens_is_seen_on_this_machines_network(
    cluster: Any, network: str
) -> None:
    if network == "shared":
        pytest.skip("the hosts are on this machine's network")
    cluster.train("hides", "wait", **resources())
    cluster.until(lambda: cluster.log("hides").count("waiting") == 2)
    (events,) = cluster.home.jobs.glob("hides-*/events.jsonl")
    started = [json.loads(line) for line in events.read_text().splitlines()]
    pids = {each["host"]: each["pid"] for each in started if each["event"] == "started"}
    networks = {host: os.readlink(f"/proc/{pids[host]}/ns/net") for host in HOSTS}
    assert len({*networks.values(), os.readlink("/proc/self/ns/net")}) == 3
    # The machine's own names and addresses stay what they were.
    assert "algo-2" not in Path("/etc/hosts").read_text()
    (cluster.folder / "hides.go").touch()
    assert cluster.ended("hides")["TrainingJobStatus"] == "Completed"
