"""AWS's models, against botocore's own reading of them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel as BotocoreModel

from sm_local.service.models import load_model

SERVICES = ["sagemaker", "logs", "s3", "sts", "iam"]


@pytest.mark.parametrize("service", SERVICES)
def test_operations_are_botocore_s(service: str) -> None:
    theirs = BotocoreModel(Loader().load_service_model(service, "service-2"))
    ours = load_model(service)
    assert set(ours.operations) == set(theirs.operation_names)
    for name, operation in ours.operations.items():
        described = theirs.operation_model(name)
        assert operation.method == described.http["method"]
        assert operation.uri == described.http["requestUri"]
        shapes = (described.input_shape, described.output_shape)
        assert (operation.input, operation.output) == tuple(
            shape and shape.name for shape in shapes
        )
    assert ours.namespace == theirs.metadata.get("xmlNamespace", "")


def test_a_narrowed_model_has_all_that_its_operations_speak_of() -> None:
    model = load_model("sagemaker")
    narrowed = model.narrowed(["CreateTrainingJob", "StopTrainingJob"])
    assert narrowed.operations == model.operations
    assert len(narrowed.shapes) < len(model.shapes) / 4
    assert "ResourceInUse" in narrowed.shapes
    for shape in narrowed.shapes.values():
        references = [*shape.get("members", {}).values()]
        references += [shape[part] for part in ("member", "key", "value") if part in shape]
        assert {reference["shape"] for reference in references} <= set(narrowed.shapes)


def test_an_unknown_service() -> None:
    with pytest.raises(FileNotFoundError):
        load_model("no-such-service")


@pytest.mark.integ
def test_botocore_is_not_imported() -> None:
    """Which is the reason for reading its files."""
    program = (
        "import sys; from sm_local.service.models import load_model; load_model('sagemaker');"
        "print([name for name in sys.modules if name.startswith('boto')])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert result.stdout == "[]\n"
