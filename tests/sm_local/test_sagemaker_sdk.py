"""AWS's own SDK, version 2, with the real service: script mode, and a model deployed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sm_local import leftovers
from sm_local.home import Home

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

SCRIPT = """
import argparse, json, os
import mxnet as mx
import numpy as np


def model_fn(model_dir):
    with open(os.path.join(model_dir, "mean")) as file:
        return float(file.read())


def transform_fn(mean, data, content_type, accept):
    return json.dumps([value - mean for value in json.loads(data)]), "application/json"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--shift", type=float)
    arguments = parser.parse_args()
    path = os.path.join(os.environ["SM_CHANNEL_TRAIN"], "numbers.csv")
    mean = mx.nd.array(np.loadtxt(path)).mean().asscalar() + arguments.shift
    print(f"mean={mean};")
    with open(os.path.join(os.environ["SM_MODEL_DIR"], "mean"), "w") as file:
        file.write(str(mean))
"""
#: What both estimators have in common; `ESTIMATOR` makes one, `SERVING` is what it serves with.
PROGRAM = """
import json
import sagemaker
from sagemaker import image_uris
from sagemaker.deserializers import JSONDeserializer
from sagemaker.estimator import Estimator
from sagemaker.mxnet import MXNet
from sagemaker.serializers import JSONSerializer



def image(scope):
    return image_uris.retrieve(
        "mxnet",
        "us-east-1",
        version="1.9.0",
        py_version="py38",
        instance_type="ml.m5.large",
        image_scope=scope,
    )


session = sagemaker.Session(default_bucket="of-the-sdk")
data = session.upload_data("numbers.csv", key_prefix="in")
options = dict(
    entry_point="train.py",
    source_dir="code",
    role="arn:aws:iam::000000000000:role/SageMakerRole",
    instance_count=1,
    instance_type="ml.m5.large",
    hyperparameters={"shift": 0.5},
    metric_definitions=[{"Name": "mean", "Regex": "mean=(.*?);"}],
    sagemaker_session=session,
)
estimator = ESTIMATOR
estimator.fit({"train": data})
predictor = estimator.deploy(
    initial_instance_count=1,
    instance_type="ml.m5.large",
    serializer=JSONSerializer(),
    deserializer=JSONDeserializer(),
    **SERVING,
)
seen = {"model": estimator.model_data, "job": estimator.latest_training_job.name}
seen["answer"] = predictor.predict([1, 2])
described = session.describe_training_job(seen["job"])
seen["metrics"] = {each["MetricName"]: each["Value"] for each in described["FinalMetricDataList"]}
predictor.delete_model()
predictor.delete_endpoint()
seen["left"] = session.sagemaker_client.list_models()["Models"]
with open("seen.json", "w") as file:
    json.dump(seen, file)
"""
#: The SDK reports its use to a host in AWS otherwise.
CONFIGURATION = """
SchemaVersion: "1.0"
SageMaker:
  PythonSDK:
    Modules:
      TelemetryOptOut: true
"""


@pytest.fixture
def home(service_home: Home) -> Iterator[Home]:
    yield service_home
    leftovers.end_model_servers(service_home)
    leftovers.end_jobs(service_home)


@pytest.mark.parametrize(
    ("estimator", "serving"),
    [
        ('MXNet(framework_version="1.9.0", py_version="py38", **options)', "{}"),
        (
            'Estimator(image_uri=image("training"), **options)',
            'dict(image_uri=image("inference"), entry_point="train.py", source_dir="code")',
        ),
    ],
    ids=["MXNet", "Estimator"],
)
def test_a_script_is_trained_deployed_and_asked(
    estimator: str,
    serving: str,
    home: Home,
    client_of_its_own: Callable[[str], Path],
    shell_of_a_user: Callable[[Home, Path], dict[str, str]],
    tmp_path: Path,
) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "train.py").write_text(SCRIPT)
    (tmp_path / "numbers.csv").write_text("1\n2\n3\n")
    (tmp_path / "sagemaker.yaml").write_text(CONFIGURATION)
    program = PROGRAM.replace("ESTIMATOR", estimator).replace("SERVING", serving)
    (tmp_path / "program.py").write_text(program)
    done = subprocess.run(
        ["bash", "-c", 'eval "$(sm local env)" && exec python3 program.py'],
        cwd=tmp_path,
        env={
            **shell_of_a_user(home, client_of_its_own("sagemaker>=2.200,<3")),
            "SAGEMAKER_USER_CONFIG_OVERRIDE": str(tmp_path / "sagemaker.yaml"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    seen: dict[str, Any] = json.loads((tmp_path / "seen.json").read_bytes())
    assert seen["model"] == f"s3://of-the-sdk/{seen['job']}/output/model.tar.gz"
    assert seen["answer"] == [-1.5, -0.5]
    assert seen["metrics"] == {"mean": 2.5}
    assert seen["left"] == []
    # The job's log, as it came.
    assert "mean=2.5;" in done.stdout
