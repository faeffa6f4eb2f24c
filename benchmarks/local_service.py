"""What the local service costs: a job, an upload, a description, a request to an endpoint.

Four comparisons, each of medians taken in turns, with a service and a home of their own:

- `fit` of a script in a warm environment, timed from the call, and the script run by that
  environment's Python;
- `upload_data` of 1 GB, and `cp` and `sync` of the same file, each to new files beside it;
- DescribeTrainingJob with 10,000 past jobs, and with 10;
- InvokeEndpoint, and the same request to the model server's own socket: the same client for both,
  which signs before it begins.

Name some of fit, upload, describe, invoke on the command line to take only those. The first fit
builds the environment of sm-mxnet, which needs a package index or uv's cache.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from sm_core import Session

ROUNDS = 5
PAIRS = 1000
DESCRIPTIONS = 300
PAST_JOBS = (10, 10_000)
#: As the service names them.
_SOCKET = re.compile(rb"/[^\"\x00-\x20]*/sml-[^/]{8}/http")
UPLOAD = 1_000_000_000
SCRIPT = """
import os
def model_fn(model_dir):
    return None
def transform_fn(model, data, content_type, accept):
    return data, content_type
if __name__ == "__main__":
    with open(os.path.join(os.environ["SM_MODEL_DIR"], "model"), "w") as file:
        file.write("trained")
"""


def say(claim: str, ours: list[float], theirs: list[float], unit: str) -> None:
    """Print a comparison of medians as a line of JSON."""
    found = {"ours": statistics.median(ours), "theirs": statistics.median(theirs)}
    print(json.dumps({"claim": claim, **found, "unit": unit}), flush=True)


def seconds(work: Callable[[], object]) -> float:
    """How long `work` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def estimator(session: Session, scratch: Path) -> Any:
    """Runs the script."""
    from sm_core import Estimator

    (scratch / "script.py").write_text(SCRIPT, encoding="utf-8")
    return Estimator(
        framework="mxnet",
        entry_point=str(scratch / "script.py"),
        role="SageMakerRole",
        train_instance_count=1,
        train_instance_type="ml.c4.xlarge",
        sagemaker_session=session,
    )


def silently(work: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """What `work` answers, without what it prints: standard output is the measurement's."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        return work(*arguments, **named)


def fit(session: Session, scratch: Path) -> None:
    """Compare jobs with the script itself."""
    trained = estimator(session, scratch)
    silently(trained.fit)
    (python,) = (scratch / "home" / "environments").glob("*/bin/python")
    folder = scratch / "direct"
    folder.mkdir()
    command = [python, scratch / "script.py"]
    variables = {**os.environ, "SM_MODEL_DIR": str(folder)}
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(ROUNDS):
        ours.append(1000 * seconds(lambda: silently(trained.fit)))
        theirs.append(1000 * seconds(lambda: subprocess.run(command, check=True, env=variables)))
    say("fit in a warm environment / its script directly (at most 1 s more)", ours, theirs, "ms")


def upload(session: Session, scratch: Path) -> None:
    """Compare an upload with a copy that is made as durable."""
    source, copy = scratch / "source", scratch / "copy"
    with source.open("wb") as file:
        for _ in range(UPLOAD // 1_000_000):
            file.write(os.urandom(1_000_000))
        os.fsync(file.fileno())
    bucket = session.default_bucket()
    session.upload_data(scratch / "script.py" if (scratch / "script.py").exists() else __file__)

    def copied() -> None:
        subprocess.run(["cp", source, copy], check=True)
        subprocess.run(["sync", copy], check=True)

    ours: list[float] = []
    theirs: list[float] = []
    for number in range(ROUNDS):
        ours.append(seconds(lambda: session.upload_data(source, key_prefix="speed")))
        session.client("s3").delete_object(Bucket=bucket, Key="speed/source")
        theirs.append(seconds(copied))
        copy.unlink()
        print(f"{number}: {ours[-1]:.2f} s, {theirs[-1]:.2f} s", file=sys.stderr)
    source.unlink()
    say("upload_data of 1 GB / cp and sync (at most 4)", ours, theirs, "s")


def describe(session: Session, scratch: Path) -> None:
    """Compare descriptions of one job among many and among few."""
    from sm_local.home import Home
    from sm_local.service.database import Database, Records
    from sm_local.startup import stop_service

    trained = estimator(session, scratch)
    silently(trained.fit)
    home = Home(scratch / "home")
    name = trained.latest_training_job.name
    taken: dict[int, list[float]] = {}
    for count in PAST_JOBS:
        stop_service(home)
        database = Database(home.state_db)
        records = Records(database)
        past = records.get("training-job", name)
        assert past is not None
        with database.transaction():
            for number in range(len(records.list("training-job")), count):
                other = f"past-{number}"
                records.insert(
                    "training-job", other, json.loads(json.dumps(past).replace(name, other))
                )
        database.close()
        client = new_session().client("sagemaker")
        client.describe_training_job(TrainingJobName=name)
        taken[count] = [
            1000 * seconds(lambda: client.describe_training_job(TrainingJobName=name))  # noqa: B023 - used up here
            for _ in range(DESCRIPTIONS)
        ]
    few, many = PAST_JOBS
    claim = f"DescribeTrainingJob at {many} past jobs / at {few} (at most 1.5)"
    say(claim, taken[many], taken[few], "ms")


def invoke(session: Session, scratch: Path) -> None:
    """Compare requests through the service with those that go past it."""
    trained = estimator(session, scratch)
    silently(trained.fit)
    predictor = silently(trained.deploy, 1, "ml.c4.xlarge")
    body = b"[1, 2, 3]"
    try:
        through, path, headers = signed(session, predictor.endpoint, body)
        direct = connection_to_model(scratch)
        own = {"Content-Type": "application/json", "Accept": "application/json"}
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(PAIRS + 50):
            ours.append(asked(through, path, headers, body))
            theirs.append(asked(direct, "/invocations", own, body))
    finally:
        predictor.delete()
    say(
        "InvokeEndpoint / the model server itself (at most 1 ms more)", ours[50:], theirs[50:], "ms"
    )


def signed(
    session: Session, endpoint: str, body: bytes
) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
    """(connection, path, headers) of a request for InvokeEndpoint."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

    client = session.client("sagemaker-runtime")
    url = f"{client.meta.endpoint_url}/endpoints/{endpoint}/invocations"
    request = AWSRequest("POST", url, data=body, headers={"Content-Type": "application/json"})
    credentials = session.boto_session.get_credentials()
    assert credentials is not None
    SigV4Auth(credentials, "sagemaker", client.meta.region_name).add_auth(request)
    place = urlsplit(url)
    headers = {**dict(request.headers.items()), "Accept": "application/json"}
    return http.client.HTTPConnection(place.netloc), place.path, headers


def connection_to_model(scratch: Path) -> http.client.HTTPConnection:
    """To the socket of the only model server of this service, which its folder names."""
    texts = [path.read_bytes() for path in (scratch / "home" / "endpoints").rglob("*.json")]
    texts.append((scratch / "home" / "state.db").read_bytes())
    texts += [path.read_bytes() for path in (scratch / "home").glob("state.db-wal")]
    named = {found.decode() for text in texts for found in _SOCKET.findall(text)}
    (place,) = (name for name in named if Path(name).is_socket())
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(place)
    return connection


def asked(
    connection: http.client.HTTPConnection, path: str, headers: dict[str, str], body: bytes
) -> float:
    """Milliseconds until the answer is there, which must be the body again."""

    def ask() -> None:
        connection.request("POST", path, body=body, headers=headers)
        response = connection.getresponse()
        answer = response.read()
        if response.status != 200 or answer != body:
            raise ValueError(f"{response.status} {answer!r}")

    return 1000 * seconds(ask)


def new_session() -> Session:
    """A session of the local service."""
    from sm_core import Session

    return Session.local()


@contextlib.contextmanager
def service(scratch: Path) -> Iterator[Session]:
    """A session with a home below `scratch`, whose service ends afterwards."""
    from sm_local.home import Home
    from sm_local.startup import stop_service

    os.environ["SMCORE_LOCAL_HOME"] = str(scratch / "home")
    try:
        yield new_session()
    finally:
        stop_service(Home(scratch / "home"))


MEASUREMENTS = {"fit": fit, "upload": upload, "describe": describe, "invoke": invoke}


def main(names: list[str]) -> None:
    """Take the measurements called `names`, or all."""
    for name in names or MEASUREMENTS:
        with tempfile.TemporaryDirectory() as folder, service(Path(folder)) as session:
            MEASUREMENTS[name](session, Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
