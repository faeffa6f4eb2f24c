"""The tree that stands for /opt/ml."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

from sm_local.service.mltree import MLTree

REQUEST: dict[str, Any] = {
    "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
    "HyperParameters": {"epochs": "5"},
    "ResourceConfig": {"InstanceType": "ml.c4.xlarge", "InstanceCount": 1},
    "InputDataConfig": [
        {
            "ChannelName": "train",
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/k"}},
            "ContentType": "text/csv",
        },
        {
            "ChannelName": "test",
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": "s3://b/k",
                    "S3DataDistributionType": "FullyReplicated",
                }
            },
            "InputMode": "File",
        },
    ],
}


def config(folder: Path, request: dict[str, Any], name: str) -> Any:
    tree = MLTree(folder)
    tree.create()
    tree.write_config(request, host="algo-1", hosts=["algo-1"], interface="eth0")
    return json.loads((folder / "input" / "config" / f"{name}.json").read_text())


def test_hyperparameters_are_written_verbatim(tmp_path: Path) -> None:
    assert config(tmp_path, REQUEST, "hyperparameters") == {"epochs": "5"}


def test_input_data_config(tmp_path: Path) -> None:
    common = {
        "TrainingInputMode": "File",
        "S3DistributionType": "FullyReplicated",
        "RecordWrapperType": "None",
    }
    assert config(tmp_path, REQUEST, "inputdataconfig") == {
        "train": {**common, "ContentType": "text/csv"},
        "test": common,
    }


def test_resource_config(tmp_path: Path) -> None:
    written = config(tmp_path, REQUEST, "resourceconfig")
    assert written.pop("network_interface_name") == "eth0"
    assert written == {
        "current_host": "algo-1",
        "current_instance_type": "ml.c4.xlarge",
        "current_group_name": "homogeneousCluster",
        "hosts": ["algo-1"],
        "instance_groups": [
            {
                "instance_group_name": "homogeneousCluster",
                "instance_type": "ml.c4.xlarge",
                "hosts": ["algo-1"],
            }
        ],
    }


def test_a_job_without_data_or_hyperparameters(tmp_path: Path) -> None:
    request = {
        name: value
        for name, value in REQUEST.items()
        if name not in ("HyperParameters", "InputDataConfig")
    }
    assert config(tmp_path, request, "hyperparameters") == {}
    assert config(tmp_path, request, "inputdataconfig") == {}


def test_the_failure_file(tmp_path: Path) -> None:
    tree = MLTree(tmp_path)
    assert tree.failure(10) == ""
    tree.create()
    path = tmp_path / "output" / "failure"
    path.write_bytes(b"\xff" + b"x" * 100)
    assert tree.failure(10) == "\ufffd" + "x" * 9
    path.unlink()
    path.symlink_to("/etc/passwd")
    assert tree.failure(10) == ""


def test_checkpoints_are_in_a_folder_that_others_see(tmp_path: Path) -> None:
    shared = tmp_path / "checkpoints"
    shared.mkdir()
    for host in ("algo-1", "algo-2"):
        tree = MLTree(tmp_path / host / "ml")
        tree.create()
        tree.share_checkpoints(shared, PurePosixPath("kept/here"))
        tree.share_checkpoints(shared, PurePosixPath("kept/here"))
        (tree.base / "kept" / "here" / host).touch()
    assert sorted(path.name for path in shared.iterdir()) == ["algo-1", "algo-2"]
