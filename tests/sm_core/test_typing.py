"""What a type checker tells a user: misspelt options and wrong types are errors."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

#: Lines with ``# E: code`` are those where an error of that code is wanted, and no other.
SAMPLE = """
from sm_core import (
    Checkpoints, Estimator, Model, Network, Predictor, Session, Spot, TrainingInput, json_serializer
)

own = Estimator("image:1", "role", 1, "ml.c5.xlarge")
Estimator(image_uri="image:1", instance_type="ml.c5.xlarge", hyperparameters={"a": 1})
Estimator(image_name="image:1", train_instance_tpye="ml.c5.xlarge")  # E: call-overload
Estimator(image_name="image:1", train_instance_count="1")  # E: call-overload
Estimator(framework="paper", entry_point="train.py", folds=2)
Estimator(framework=3, entry_point="train.py")  # E: call-overload

network = Network(subnets=["subnet-1"], security_groups="sg-1")
Estimator("image:1", network=network, spot=Spot(max_wait=60), checkpoints=Checkpoints("s3://b/p"))
Estimator("image:1", spot=True)  # E: call-overload
Spot(max_wiat=60)  # E: call-arg
own.create_model(serializer=json_serializer, predictor_cls=Predictor, env={"A": "1"})
own.create_model(serialiser=json_serializer)  # E: call-arg

own.fit({"train": "s3://b/p", "eval": TrainingInput("s3://b/e", distribution="ShardedByS3Key")})
own.fit(["s3://b/p"])  # E: arg-type
own.fit("s3://b/p", job_nmae="x")  # E: call-arg
TrainingInput("s3://b/p", distribution="Sharded")  # E: arg-type

model = Model("s3://b/m", "role", image="image:1", env={"A": "1"})
Model("s3://b/m", imaeg="image:1")  # E: call-arg
model.deploy(1, "ml.c5.xlarge", endpoint_name="e")

predictor = Predictor("e", Session(), serializer=json_serializer, deserializer="auto")
predictor.endpoint_nmae  # E: attr-defined
Predictor("e", deserializer="json")  # E: arg-type

uri: str = Session().upload_data("data")
count: int = own.model_data  # E: assignment
"""


@pytest.mark.integ
def test_a_type_checker_knows_the_options(tmp_path: Path) -> None:
    sample = tmp_path / "sample.py"
    sample.write_text(SAMPLE)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache", sample],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.findall(r"^sample\.py:(\d+): error: .*\[([\w-]+)\]$", done.stdout, re.MULTILINE)
    wanted = [
        (str(number), match[1])
        for number, line in enumerate(SAMPLE.splitlines(), start=1)
        if (match := re.search(r"# E: ([\w-]+)$", line))
    ]
    assert found == wanted, done.stdout + done.stderr
