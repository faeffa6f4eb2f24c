"""The hosts of a training job: their trees, variables and commands, and the network they share."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import attrs

from sm_local import processes
from sm_local.feeder import Plan, Stream, first_epoch
from sm_local.home import Credentials, write_private
from sm_local.jobnetwork import (
    Network,
    on_private_network,
    on_shared_network,
    program_environment,
)
from sm_local.logmetrics import final_metrics
from sm_local.service.checkpoints import DEFAULT_PATH, CheckpointFolder, below_base
from sm_local.service.checks import s3_location
from sm_local.service.containers import container_environment
from sm_local.service.context import Context
from sm_local.service.environmentstore import Container
from sm_local.service.mltree import MLTree
from sm_local.service.trainingjob import FinalMetric, TrainingJob

__all__ = ["CHECKPOINTS", "PIPES", "TrainingHosts", "job_folder", "key_owner", "stream_file"]

#: In the job's folder: what all its hosts see as their checkpoints.
CHECKPOINTS = "checkpoints"
#: In the job's folder: what its channels in Pipe mode deliver.
PIPES = "pipes"
#: The process that delivers it.
FEEDER = "feeder"


def job_folder(context: Context, job: TrainingJob) -> Path:
    """The job's own folder."""
    return context.home.jobs / job.folder


def stream_file(context: Context, job: TrainingJob, *, host: str) -> Path:
    """The log file of one of the job's hosts."""
    return job_folder(context, job) / "logs" / f"{host}.log"


def key_owner(job: TrainingJob) -> str:
    """Whose the job's key pair is."""
    return f"training-job/{job.name}"


@attrs.frozen
class TrainingHosts:
    """All hosts of one job."""

    _context: Context
    _job: TrainingJob

    @property
    def _folder(self) -> Path:
        return job_folder(self._context, self._job)

    @property
    def checkpoints(self) -> Path:
        """The folder that all hosts share."""
        return self._folder / CHECKPOINTS

    def kept_checkpoints(self) -> CheckpointFolder | None:
        """That folder, as it is kept in S3; None if the job does not ask for it."""
        asked = self._job.request.get("CheckpointConfig")
        if asked is None:
            return None
        where = s3_location(asked["S3Uri"], "CheckpointConfig.S3Uri")
        return CheckpointFolder(self._context.objects, self.checkpoints, where)

    def final_metrics(self) -> list[FinalMetric]:
        """The last values of the job's metrics, as its logs have them. Blocks."""
        definitions = self._job.request["AlgorithmSpecification"].get("MetricDefinitions")
        if not definitions:
            return []
        logs = [stream_file(self._context, self._job, host=host) for host in self._job.hosts]
        try:
            found = final_metrics(definitions, logs, environment=program_environment())
        except OSError as error:  # TimeoutError is one
            self.log(f"the metrics' last values are not known: {error}")
            return []
        return [FinalMetric(**each) for each in found]

    def tree(self, host: str) -> MLTree:
        """What stands for /opt/ml on a host."""
        return MLTree(self._folder / host / "ml")

    @property
    def trees(self) -> list[MLTree]:
        """Those of all hosts, the first host's first."""
        return [self.tree(host) for host in self._job.hosts]

    def log(self, text: str) -> None:
        """Write a line to the first host's log."""
        first = stream_file(self._context, self._job, host=self._job.hosts[0])
        processes.log_line(first, text)

    def network(self) -> Network:
        """The network that the hosts get. Blocks.

        Raises:
            LocalServiceError: the one that the user insists on is not possible.
        """
        if len(self._job.hosts) == 1:
            return Network(private=False)
        return self._context.networks.for_job()

    def prepare(
        self, container: Container, *, network: Network, ports: Sequence[range]
    ) -> list[processes.HostProcess]:
        """Write what the hosts read, and return what is to be started. Blocks.

        Args:
            container: that all of them run.
            network: from `network`.
            ports: a range for each host; empty if they need none.
        """
        helpers = self._feeding()
        credentials = self._context.keys.issue(key_owner(self._job))
        self.checkpoints.mkdir(mode=0o700, exist_ok=True)
        alone = [
            self._process(host, container, network=network, credentials=credentials)
            for host in self._job.hosts
        ]
        if len(alone) == 1:
            return [*helpers, *alone]
        if network.private:
            port = int(self._context.endpoint_url.rpartition(":")[2])
            inside = on_private_network(alone, folder=self._folder, service_port=port)
            return [*helpers, *inside]
        self.log(
            f"the {len(alone)} hosts share this machine's network ({network.reason}): their names "
            "do not resolve; environment.address_of(host, port), or SMCORE_HOST_ADDRESSES, says "
            "where they are"
        )
        return [*helpers, *on_shared_network(alone, ports)]

    @property
    def plan(self) -> Path:
        """What the channels in Pipe mode deliver."""
        return self._folder / PIPES / "plan.json"

    def write_plan(self, streams: list[Stream]) -> None:
        """Note what the channels in Pipe mode deliver, whole or not at all. Blocks."""
        for tree in self.trees:
            tree.create()
        plan: Plan = {"folders": [str(tree.data) for tree in self.trees], "streams": streams}
        write_private(self.plan, json.dumps(plan).encode())

    def _feeding(self) -> list[processes.HostProcess]:
        """What feeds the channels in Pipe mode, if there are any; makes their first FIFOs."""
        if not self.plan.exists():
            return []
        plan: Plan = json.loads(self.plan.read_bytes())
        for folder in plan["folders"]:
            for stream in plan["streams"]:
                first_epoch(Path(folder), stream["channel"])
        return [
            processes.HostProcess(
                name=FEEDER,
                command=(sys.executable, "-S", "-m", "sm_local.feeder", str(self.plan)),
                environment=program_environment(),
                directory=Path("/"),
                log=stream_file(self._context, self._job, host=FEEDER),
                helper=True,
            )
        ]

    def _process(
        self, host: str, container: Container, *, network: Network, credentials: Credentials
    ) -> processes.HostProcess:
        job = self._job
        tree = self.tree(host)
        tree.create()
        asked = job.request.get("CheckpointConfig", {})
        tree.share_checkpoints(self.checkpoints, below_base(asked.get("LocalPath", DEFAULT_PATH)))
        tree.write_config(job.request, host=host, hosts=job.hosts, interface=network.interface)
        directory = self._folder / host / "work"
        directory.mkdir(exist_ok=True)
        return processes.HostProcess(
            name=host,
            command=(container.python, *container.spec.train),
            environment=container_environment(
                self._context,
                container,
                base=tree.base,
                credentials=credentials,
                platform={"TRAINING_JOB_NAME": job.name, "TRAINING_JOB_ARN": job.arn},
                requested=job.request.get("Environment", {}),
            ),
            directory=directory,
            log=stream_file(self._context, job, host=host),
        )
