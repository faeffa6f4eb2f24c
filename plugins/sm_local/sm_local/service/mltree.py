"""The /opt/ml tree of one host: folders, configuration files, and what a job leaves in it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import attrs

from sm_local.service.datasets import input_mode

__all__ = ["MLTree"]

_GROUP = "homogeneousCluster"


@attrs.frozen
class MLTree:
    """The folder that stands for /opt/ml.

    Attributes:
        base: its path.
    """

    base: Path

    @property
    def model(self) -> Path:
        """What becomes model.tar.gz, or came from it."""
        return self.base / "model"

    @property
    def output_data(self) -> Path:
        """What becomes output.tar.gz."""
        return self.base / "output" / "data"

    @property
    def data(self) -> Path:
        """The channels."""
        return self.base / "input" / "data"

    @property
    def _config(self) -> Path:
        return self.base / "input" / "config"

    def create(self) -> None:
        """Make the folders of a training job, where they are missing."""
        for folder in (self._config, self.data, self.model, self.output_data):
            folder.mkdir(parents=True, exist_ok=True)

    def share_checkpoints(self, folder: Path, below: PurePosixPath) -> None:
        """Have `folder` for the checkpoints, as all hosts of the job do.

        Args:
            folder: that all of them see.
            below: where, as a path below the base.
        """
        link = self.base / below
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(os.path.relpath(folder, link.parent))

    def write_config(
        self, request: Mapping[str, Any], *, host: str, hosts: Sequence[str], interface: str
    ) -> None:
        """Write hyperparameters.json, inputdataconfig.json and resourceconfig.json.

        Args:
            request: CreateTrainingJob's.
            host: the one this tree is for.
            hosts: all of the job.
            interface: by which they reach each other.
        """
        resources = request["ResourceConfig"]
        self._write("hyperparameters", request.get("HyperParameters", {}))
        self._write(
            "inputdataconfig",
            {
                channel["ChannelName"]: _channel(channel, request)
                for channel in request.get("InputDataConfig", ())
            },
        )
        self._write(
            "resourceconfig",
            {
                "current_host": host,
                "current_instance_type": resources["InstanceType"],
                "current_group_name": _GROUP,
                "hosts": sorted(hosts),
                "instance_groups": [
                    {
                        "instance_group_name": _GROUP,
                        "instance_type": resources["InstanceType"],
                        "hosts": sorted(hosts),
                    }
                ],
                "network_interface_name": interface,
            },
        )

    def failure(self, limit: int) -> str:
        """The first `limit` characters that the job wrote to output/failure, or ""."""
        path = self.base / "output" / "failure"
        if path.is_symlink() or not path.is_file():
            return ""
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(limit).strip()

    def _write(self, name: str, value: Mapping[str, Any]) -> None:
        text = json.dumps(value, sort_keys=True)
        (self._config / f"{name}.json").write_text(text, encoding="utf-8")


def _channel(channel: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, str]:
    source = channel["DataSource"]["S3DataSource"]
    described = {
        # A script cannot tell FastFile from File, and is not told.
        "TrainingInputMode": "Pipe" if input_mode(channel, request) == "Pipe" else "File",
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
    }
    if "ContentType" in channel:
        described["ContentType"] = channel["ContentType"]
    return described
