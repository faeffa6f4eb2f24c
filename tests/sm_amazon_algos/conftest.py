"""What the tests of Amazon's algorithms share."""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.loaders
import botocore.session
import numpy as np
import pytest
from moto import mock_aws

from sm_amazon_algos import records_to_numpy
from sm_amazon_algos.arrays import RecordArrays
from sm_core.backends import Backend, Polling
from sm_core.plugins import client_plugins, hookimpl
from sm_core.session import Session

ROOT = Path(__file__).parents[2]
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
REGION = "us-east-1"
_loader = botocore.loaders.create_loader()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """AWS, as moto plays it in this process."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        yield


class _Quick:
    """A back end on moto's AWS that does not wait between its questions."""

    @staticmethod
    @hookimpl
    def sm_backends() -> list[Backend]:
        """It alone."""

        def boto_session() -> boto3.Session:
            core = botocore.session.Session()
            core.register_component("data_loader", _loader)
            return boto3.Session(botocore_session=core, region_name=REGION)

        polling = Polling(first=0, factor=1, ceiling=0)
        return [Backend(name="quick", boto_session=boto_session, polling=polling)]


@pytest.fixture
def session(aws: None) -> Iterator[Session]:
    """A Session on moto's AWS."""
    client_plugins.cache_clear()
    client_plugins().register(_Quick, name="quick")
    yield Session(backend="quick")
    client_plugins.cache_clear()


@pytest.fixture
def stored(session: Session) -> Callable[[str], dict[str, bytes]]:
    """The objects of a bucket, by key."""

    def objects(bucket: str) -> dict[str, bytes]:
        client = session.client("s3")
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        return {key: client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}

    return objects


def shards_of(objects: dict[str, bytes]) -> dict[str, RecordArrays]:
    """What the shards among some objects hold, by the last part of their keys."""
    return {
        key.rpartition("/")[2]: records_to_numpy(data)
        for key, data in sorted(objects.items())
        if key.endswith(".pbr")
    }


@pytest.fixture
def shards(stored: Callable[[str], dict[str, bytes]]) -> Callable[[str], dict[str, RecordArrays]]:
    """What the shards in a bucket hold, by the last part of their keys."""
    return lambda bucket: shards_of(stored(bucket))


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers, the same ones every time."""
    return np.random.default_rng(0)


Run = Callable[..., str]


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs a script where AWS's own SDK 2 is installed beside this project's packages."""
    folder = tmp_path_factory.mktemp("reference")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    own = [word for path in ("", "plugins/sm_amazon_algos") for word in ("-e", str(ROOT / path))]
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "sagemaker<3", "scipy", *own], check=True, timeout=1500)

    def run(script: str | Path, *arguments: str, given: str = "", **environment: Any) -> str:
        code = [str(script)] if isinstance(script, Path) else ["-c", script]
        answer = subprocess.run(
            [python, *code, *arguments],
            input=given,
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": "/usr/bin:/bin", "SAGEMAKER_SUPPRESS_V2_WARNING": "1", **environment},
        )
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    return run


@pytest.fixture(scope="session")
def protobuf(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A folder with another version of protobuf, to go in front of ``sys.path``."""

    def install(version: str) -> Path:
        folder = tmp_path_factory.mktemp("protobuf")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--target", folder, f"protobuf=={version}"], check=True, timeout=300)
        return folder

    return install
