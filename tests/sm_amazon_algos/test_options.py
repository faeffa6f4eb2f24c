"""What type checkers know of the options is what is declared."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sm_amazon_algos import PCA, KMeans, LinearLearner
from sm_amazon_algos.estimator import AmazonAlgorithm
from sm_amazon_algos.options import KMeansOptions, LinearLearnerOptions, PCAOptions
from sm_core.declarations import AlgorithmOptions
from sm_core.hyperparameters import Hyperparameters


@pytest.mark.parametrize(
    ("cls", "typed"),
    [(KMeans, KMeansOptions), (PCA, PCAOptions), (LinearLearner, LinearLearnerOptions)],
)
def test_typed_dicts_hold_the_declared_options(cls: type[AmazonAlgorithm], typed: type) -> None:
    assert issubclass(cls, Hyperparameters)
    annotated = {
        name: getattr(kind, "__forward_arg__", kind)
        for name, kind in inspect.get_annotations(typed).items()
    }
    wanted = dict(inspect.get_annotations(AlgorithmOptions))
    names = {*wanted, "data_location"}
    for name, each in cls.declared().items():
        for spelling in {name, each.wire}:
            names.add(spelling)
            optional = "" if each.required else " | None"
            assert annotated[spelling] == f"{each.annotation}{optional}", spelling
    assert set(annotated) == names
    shown = {name for name in names if name in inspect.signature(cls).parameters}
    assert shown == set(inspect.signature(cls).parameters)


SAMPLE = """
from sm_amazon_algos import KMeans, LinearLearner, PCA, RecordSet, read_records, Record
from sm_core import Estimator

kmeans = KMeans("role", 1, "ml.c5.xlarge", 10, init_method="random", extra_center_factor="auto")
kmeans.init_method = "kmeans++"
kmeans.k = 5
kmeans.tol = 1
kmeans.tol = None
kmeans.init_method = 3  # E: assignment
kmeans.init_methd = "random"  # E: attr-defined
KMeans(k="10")  # E: arg-type
KMeans(k=10, entry_point="train.py")  # E: call-arg
PCA(num_components=3, train_instance_type="m", algorithm_mode="regular", data_location="s3://b")
LinearLearner(train_instance_type="m", wd="auto", loss="logistic")
Estimator(framework="kmeans", k=10, train_instance_type="m")

records: RecordSet = kmeans.record_set([[1, 2]])
kmeans.fit(records, mini_batch_size=500)
kmeans.fit([records, records], False)
kmeans.fit({"train": records, "test": "s3://b/p"})
kmeans.fit(3)  # E: arg-type
first: Record = read_records(b"")[0]
first.features["values"].float32_tensor.values.append(1.5)
first.featurs  # E: attr-defined
count: int | None = kmeans.epochs
way: str = kmeans.epochs  # E: assignment
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
