"""What sm-local adds to sm-core."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sm_core.errors import ConfigurationError
from sm_core.estimator import Estimator
from sm_core.model import Model
from sm_core.plugins import client_plugins
from sm_core.session import Session, session_for
from sm_local import gpu
from sm_local.backend import LocalSession
from sm_local.home import ACCOUNT, Home
from sm_local.startup import probe


def test_it_loads() -> None:
    (load,) = [load for load in client_plugins().loads if load.name == "local"]
    assert load.error is None
    assert load.hooks == ("sm_backends", "sm_commands", "sm_request")


def test_hook_sm_backends() -> None:
    session = Session.local()
    backend = session.backend
    assert (backend.name, backend.default_role) == (
        "local",
        f"arn:aws:iam::{ACCOUNT}:role/SageMakerRole",
    )
    polling = backend.polling
    assert (polling.first, polling.factor, polling.ceiling) == (0.05, 1.5, 1)
    assert isinstance(session.boto_session, LocalSession)
    assert session.boto_session.region_name == "us-east-1"
    assert probe(Home.default()) is None


@pytest.mark.parametrize("instance_type", ["local", "local_gpu"])
def test_instance_types_choose_the_back_end(instance_type: str) -> None:
    backend = session_for(None, instance_type).backend
    assert backend.name == "local"
    assert backend.instance_types[instance_type].startswith("ml.")


@pytest.mark.integ
def test_registering_imports_nothing_heavy() -> None:
    program = (
        "import sys; from sm_core.plugins import client_plugins\n"
        "client_plugins().hook.sm_backends()\n"
        "heavy = {'boto3', 'botocore', 'rich', 'uvicorn', 'aiohttp', 'sm_local.startup'}\n"
        "sys.exit(','.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("there", [False, True])
def test_a_gpu_is_needed_for_local_gpu(
    there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = tmp_path / "nvidia0"
    monkeypatch.setattr(gpu, "DEVICE", device)
    (tmp_path / "train.py").touch()
    estimator = Estimator(
        framework="mxnet",
        entry_point=str(tmp_path / "train.py"),
        train_instance_type="local_gpu",
    )
    model = Model("s3://bucket/model.tar.gz", image="my/own:1")
    if there:
        device.touch()
        request = estimator.training_request()
        assert request["ResourceConfig"]["InstanceType"] == "ml.p3.2xlarge"
        return
    for call in (
        estimator.fit,
        estimator.training_request,
        lambda: model.deploy(1, "local_gpu"),
        lambda: model.model_request("local_gpu"),
    ):
        with pytest.raises(ConfigurationError, match=r"'local_gpu' cannot be used: .* no NVIDIA"):
            call()
    assert probe(Home.default()) is None
