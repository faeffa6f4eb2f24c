"""What the core's tests share: fresh plugins, a framework of paper, AWS as moto plays it."""

from __future__ import annotations

import contextlib
import functools
import itertools
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import boto3
import botocore.loaders
import botocore.session
import pytest
from botocore.model import OperationModel
from botocore.validate import ParamValidator
from moto import mock_aws

from sm_core.backends import Backend, Polling
from sm_core.deployment import deploy
from sm_core.endpoints import Endpoint
from sm_core.estimator import Estimator
from sm_core.frameworks import CodeInModel, Framework
from sm_core.hyperparameters import Hyperparameters
from sm_core.images import ImageOrigin, ImageRequest
from sm_core.kinds import choice, integer, number, several
from sm_core.model import Model, production_variant
from sm_core.options import Option
from sm_core.plugins import client_plugins, hookimpl
from sm_core.predictor import Predictor
from sm_core.session import Session
from sm_core.source import Source
from sm_local.service.errors import ServiceError
from sm_local.service.models import ServiceModel, load_model
from sm_local.service.validation import validated

#: Moto's account, and a role in it.
ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/SageMakerRole"
REGION = "us-east-1"

AddPlugin = Callable[..., ModuleType]
InstallPlugin = Callable[..., None]
_numbers = itertools.count()
_loader = botocore.loaders.create_loader()


@pytest.fixture(autouse=True)
def _fresh_plugins() -> Iterator[None]:
    """Every test loads plugins anew; registries belong to the manager they were made of."""
    client_plugins.cache_clear()
    yield
    client_plugins.cache_clear()


@pytest.fixture
def no_installed_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if only sm-core were installed."""
    monkeypatch.setattr("sm_core.plugins.entry_points", lambda **_: ())


@pytest.fixture
def add_plugin(no_installed_plugins: None) -> AddPlugin:
    """Make a plugin module of functions, by the hooks' names, and register it."""

    def add(name: str = "", /, **hooks: Callable[..., Any]) -> ModuleType:
        name = name or f"plugin{next(_numbers)}"
        module = ModuleType(name)
        for hook, function in hooks.items():
            setattr(module, hook, hookimpl(function))
        client_plugins().register(module, name=name)
        return module

    return add


@pytest.fixture
def install_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InstallPlugin]:
    """Put a distribution with one plugin module on ``sys.path``, as an installer would."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    modules = []

    def put(
        distribution: str, source: str, *, entry: str = "", value: str = "", requires: str = ""
    ) -> None:
        # Not the name of a package that another test may have imported.
        module = f"installed_{distribution.replace('-', '_').lower()}"
        modules.append(module)
        (site / f"{module}.py").write_text(source, encoding="utf-8")
        metadata = site / f"{module}-1.2.dist-info"
        metadata.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {distribution}", "Version: 1.2"]
        lines += [f"Requires-Dist: {requires}"] if requires else []
        (metadata / "METADATA").write_text("\n".join([*lines, "", ""]), encoding="utf-8")
        (metadata / "entry_points.txt").write_text(
            f"[sm_core.plugins]\n{entry or distribution} = {value or module}\n", encoding="utf-8"
        )

    yield put
    for module in modules:
        sys.modules.pop(module, None)


class Paper(Estimator):
    """Trains on paper."""

    framework_name = "paper"
    positional: ClassVar[tuple[str, ...]] = (
        "entry_point",
        "role",
        "train_instance_count",
        "train_instance_type",
    )
    folds: int


class PaperModel(Model):
    """Serves on paper."""

    framework_name = "paper"


class PaperPredictor(Predictor):
    """Asks paper."""

    framework_name = "paper"


PAPER = Framework(
    name="paper",
    aliases=("origami",),
    estimator="sm_paper:Paper",
    model="sm_paper:PaperModel",
    predictor="sm_paper:PaperPredictor",
    options=(Option("folds", "int", "how often the paper is folded", default=1),),
    default_version="2.0",
    default_channel="train",
    code_in_model=CodeInModel(since="3.0"),
)


@pytest.fixture
def paper(add_plugin: AddPlugin, monkeypatch: pytest.MonkeyPatch) -> Framework:
    """A framework, with a plugin that registers it and knows its images."""
    module = ModuleType("sm_paper")
    for cls in (Paper, PaperModel, PaperPredictor):
        setattr(module, cls.__name__, cls)
    monkeypatch.setitem(sys.modules, "sm_paper", module)

    def sm_frameworks() -> list[Framework]:
        return [PAPER]

    def sm_image(request: ImageRequest) -> str | None:
        if request.framework != "paper":
            return None
        version = request.version or request.default_version
        return f"{request.region}.example/paper-{request.scope}:{version}-{request.instance_type}"

    def sm_image_origin(image: str) -> ImageOrigin | None:
        match = re.search(r"/paper-\w+:([0-9.]+)-", image)
        return ImageOrigin(framework="paper", version=match[1]) if match else None

    add_plugin(
        "paper", sm_frameworks=sm_frameworks, sm_image=sm_image, sm_image_origin=sm_image_origin
    )
    return PAPER


class CutHyperparameters(Hyperparameters):
    """Of an algorithm that cuts paper."""

    pieces = integer("how many pieces", least=2, required=True)
    sharpness = number("of the blade", words=("auto",), above=0, wire="blade_sharpness")
    mode = choice("how to cut", ("straight", "wavy"), default="straight")
    report = several("what to report", ("mean", "sum"))
    width = integer("of the paper", least=1)

    @classmethod
    def contradictions(cls, values: Mapping[str, Any]) -> Iterator[str]:
        """More pieces than the paper has columns."""
        if "width" not in values:
            yield "width is missing"
        elif values.get("pieces", 0) > values["width"]:
            yield f"pieces is {values['pieces']}, the paper is {values['width']} wide"


class Cut(CutHyperparameters, Estimator):
    """Cuts paper, without a script."""

    framework_name = "cut"
    positional: ClassVar[tuple[str, ...]] = (
        "role",
        "train_instance_count",
        "train_instance_type",
        "pieces",
    )
    blade: str | None


class CutModel(Model):
    """Cuts further paper."""

    framework_name = "cut"


CUT = Framework(
    name="cut",
    estimator="sm_cut:Cut",
    model="sm_cut:CutModel",
    predictor="sm_core.predictor:Predictor",
    options=(Option("blade", "str | None", "what cuts"),),
    script=False,
    hyperparameters="sm_cut:CutHyperparameters",
    hyperparameter_encoding="text",
    default_channel="train",
)


@pytest.fixture
def cut(add_plugin: AddPlugin, monkeypatch: pytest.MonkeyPatch) -> Framework:
    """An algorithm: a framework without scripts, that declares its hyperparameters."""
    module = ModuleType("sm_cut")
    for cls in (Cut, CutModel, CutHyperparameters):
        setattr(module, cls.__name__, cls)
    monkeypatch.setitem(sys.modules, "sm_cut", module)

    def sm_image(request: ImageRequest) -> str | None:
        return "registry.example/cut:1" if request.framework == "cut" else None

    def sm_image_origin(image: str) -> ImageOrigin | None:
        return ImageOrigin(framework="cut") if image == "registry.example/cut:1" else None

    add_plugin(
        "cut", sm_frameworks=lambda: [CUT], sm_image=sm_image, sm_image_origin=sm_image_origin
    )
    return CUT


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """AWS, as moto plays it in this process."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        yield


def _boto_session() -> boto3.Session:
    """A boto3 session of its own that reads the large service models only once for all tests."""
    core = botocore.session.Session()
    core.register_component("data_loader", _loader)
    return boto3.Session(botocore_session=core, region_name=REGION)


@cache
def _sagemaker() -> ServiceModel:
    return load_model("sagemaker")


def _obeys(operation: str, request: Mapping[str, Any]) -> None:
    """Assert that a request has the members, types, lengths, ranges, enums and patterns it must."""
    model = _sagemaker()
    try:
        members = validated(model, model.operations[operation].input, request)
    except ServiceError as error:
        raise AssertionError(f"{operation}: {error}") from error
    assert members == request, f"{operation}: has members that there are not"


def _hold(params: dict[str, Any], model: OperationModel, **_: object) -> None:
    """Hold what a client is about to send to the model; what botocore refuses is not sent."""
    if model.name.startswith(("Describe", "List")):
        return
    assert model.input_shape is not None
    if not ParamValidator().validate(params, model.input_shape).has_errors():
        _obeys(model.name, params)


@pytest.fixture
def obeys() -> Callable[[str, Mapping[str, Any]], None]:
    """Hold a request to all that SageMaker's model says; botocore checks little of it."""
    return _obeys


@pytest.fixture
def session(aws: None, add_plugin: AddPlugin) -> Session:
    """A Session on moto's AWS that does not wait between its questions.

    Each request of it that changes something is held to SageMaker's model.
    """
    quick = Backend(
        name="quick",
        boto_session=_boto_session,
        polling=Polling(first=0, factor=1, ceiling=0),
        instance_types={"quick": "ml.c5.xlarge"},
    )
    add_plugin("quick", sm_backends=lambda: [quick])
    made = Session(backend="quick")
    made.sagemaker_client.meta.events.register("before-parameter-build.sagemaker", _hold)
    return made


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any use of a socket is an error."""

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("a socket was used")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def script(tmp_path: Path) -> str:
    """Path of a script."""
    path = tmp_path / "train.py"
    path.write_text("print('training')\n", encoding="utf-8")
    return str(path)


@pytest.fixture
def code_key(script: str) -> str:
    """Where the archive of the script lies, below whatever prefix."""
    return f"{Source.locate(script).archive().sha256.hex()}/sourcedir.tar.gz"


Refuse = Callable[..., None]


@pytest.fixture
def refuse() -> Refuse:
    """Make a client's operation fail as a service would, without a call."""

    def install(client: Any, operation: str, *, code: str, message: str, status: int = 400) -> None:
        class Answer:
            status_code = status

        def answer(model: OperationModel, **_: Any) -> tuple[Answer, dict[str, Any]]:
            error = {"Code": code, "Message": message}
            return Answer(), {"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}}

        service = client.meta.service_model.service_id.hyphenize()
        client.meta.events.register(f"before-call.{service}.{operation}", answer)

    return install


WriteLog = Callable[..., None]


@pytest.fixture
def write_log(session: Session) -> WriteLog:
    """Write lines to a stream of CloudWatch Logs, as a container would."""
    client = session.client("logs")
    milliseconds = itertools.count(time.time_ns() // 1_000_000)

    def write(group: str, stream: str, *lines: str) -> None:
        with contextlib.suppress(client.exceptions.ResourceAlreadyExistsException):
            client.create_log_group(logGroupName=group)
        with contextlib.suppress(client.exceptions.ResourceAlreadyExistsException):
            client.create_log_stream(logGroupName=group, logStreamName=stream)
        client.put_log_events(
            logGroupName=group,
            logStreamName=stream,
            logEvents=[{"timestamp": next(milliseconds), "message": line} for line in lines],
        )

    return write


@pytest.fixture
def left_over(session: Session) -> Callable[[], list[str]]:
    """Names of the models, endpoint configurations and endpoints that there are."""

    def names() -> list[str]:
        client = session.sagemaker_client
        return [
            *(each["ModelName"] for each in client.list_models()["Models"]),
            *(
                each["EndpointConfigName"]
                for each in client.list_endpoint_configs()["EndpointConfigs"]
            ),
            *(each["EndpointName"] for each in client.list_endpoints()["Endpoints"]),
        ]

    return names


@pytest.fixture
def endpoint_status(session: Session) -> Callable[..., None]:
    """Set what DescribeEndpoint says of the status, one answer after the other.

    As on AWS the endpoint cannot be deleted while something is under way.
    """

    class Refused:
        status_code = 400

    def answers(*statuses: str, reason: str = "") -> None:
        left = list(statuses)
        current = left[0]

        def change(parsed: dict[str, Any], **_: Any) -> None:
            nonlocal current
            current = left.pop(0) if len(left) > 1 else left[0]
            if "EndpointStatus" in parsed:
                parsed["EndpointStatus"] = current
            if reason and current == "Failed":
                parsed["FailureReason"] = reason

        def refuse(**_: Any) -> tuple[Refused, dict[str, Any]] | None:
            if not current.endswith(("ing", "Back")):
                return None
            arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/endpoint"
            error = {
                "Code": "ValidationException",
                "Message": f'Cannot update in-progress endpoint "{arn}".',
            }
            return Refused(), {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 400}}

        events = session.sagemaker_client.meta.events
        events.register("after-call.sagemaker.DescribeEndpoint", change)
        events.register("before-call.sagemaker.DeleteEndpoint", refuse)

    return answers


@pytest.fixture
def bring_up(session: Session) -> Callable[..., Endpoint]:
    """Deploy a model called model to an endpoint called endpoint."""
    tags = [{"Key": "team", "Value": "vision"}]
    model = {
        "ModelName": "model",
        "PrimaryContainer": {"Image": "image:1"},
        "ExecutionRoleArn": ROLE,
        "Tags": tags,
    }
    variant = production_variant("model", "ml.c5.xlarge")
    config = {"EndpointConfigName": "endpoint", "ProductionVariants": [variant], "Tags": tags}

    def deployed(**others: Any) -> Endpoint:
        result = functools.partial(Endpoint, session=session)
        return deploy(
            session, model=model, config=config, framework="paper", result=result, **others
        )

    return deployed
