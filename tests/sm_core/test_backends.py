"""Back ends: chosen by argument, variable or instance type."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from types import ModuleType

import attrs
import boto3
import pytest

from sm_core.backends import Backend, Polling
from sm_core.errors import ConfigurationError, PluginError, UnknownBackendError
from sm_core.session import Session, session_for

AddPlugin = Callable[..., ModuleType]
InstallPlugin = Callable[..., None]


def backend(name: str, **instance_types: str) -> Backend:
    return Backend(
        name=name,
        boto_session=lambda: boto3.Session(region_name="us-east-1"),
        polling=Polling(first=0, factor=1, ceiling=0),
        instance_types=instance_types,
    )


@pytest.fixture
def near(add_plugin: AddPlugin) -> Backend:
    made = backend("near", mine="ml.c5.xlarge", my_gpu="ml.p3.2xlarge")
    add_plugin(sm_backends=lambda: [made])
    return made


def test_aws_is_built_in_and_the_default(no_installed_plugins: None) -> None:
    assert Session().backend.name == "aws"
    assert Session().backend.polling == Polling(first=5, factor=1.5, ceiling=30)
    assert Session().backend.default_role is None


def test_hook_sm_backends_brings_a_back_end(near: Backend) -> None:
    assert Session(backend="near").backend is near


def test_a_variable_chooses_the_back_end(near: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMCORE_BACKEND", "near")
    assert Session().backend is near
    assert Session(backend="aws").backend.name == "aws"
    monkeypatch.setenv("SMCORE_BACKEND", "")
    assert Session().backend.name == "aws"


def test_a_session_of_one_s_own_and_a_variable_are_not_mixed(
    near: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = boto3.Session(region_name="eu-west-1")
    monkeypatch.setenv("SMCORE_BACKEND", "near")
    with pytest.raises(ConfigurationError, match=r"SMCORE_BACKEND=near sends requests to .*'near'"):
        Session(own)
    assert Session(own, backend="near").region == "eu-west-1"
    assert Session(own, backend="aws").backend.name == "aws"
    monkeypatch.setenv("SMCORE_BACKEND", "aws")
    assert Session(own).backend.name == "aws"


def test_an_instance_type_chooses_the_back_end(near: Backend) -> None:
    assert session_for(None, "mine").backend is near
    assert session_for(None, "ml.c5.xlarge").backend.name == "aws"
    assert session_for(None, None).backend.name == "aws"


def test_a_session_keeps_to_its_back_end(near: Backend) -> None:
    session = Session(backend="near")
    assert session_for(session, "my_gpu") is session
    assert session_for(session, "ml.c5.xlarge") is session
    with pytest.raises(
        ConfigurationError,
        match=r"instance type 'mine' belongs to the back end 'near', but the Session is on 'aws'",
    ):
        session_for(Session(), "mine")


@pytest.mark.parametrize("instance_type", ["local", "local_gpu"])
def test_local_without_its_plugin_says_what_to_install(
    no_installed_plugins: None, instance_type: str
) -> None:
    with pytest.raises(UnknownBackendError, match="'local'; install it with: pip install sm-local"):
        session_for(None, instance_type)
    with pytest.raises(UnknownBackendError, match="pip install sm-local"):
        Session.local()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nera", "'nera'; did you mean 'near'? There are: aws, near"),
        ("zzz", "are: aws, near"),
    ],
)
def test_an_unknown_back_end_names_those_there_are(near: Backend, name: str, message: str) -> None:
    with pytest.raises(UnknownBackendError) as caught:
        Session(backend=name)
    assert message in str(caught.value)


def test_two_plugins_with_one_name_disturb_only_that_name(
    near: Backend, add_plugin: AddPlugin
) -> None:
    add_plugin("bob", sm_backends=lambda: [backend("near")])
    assert Session().backend.name == "aws"
    with pytest.raises(PluginError, match=r"several plugins bring the back end 'near': .*, bob"):
        Session(backend="near")


def test_a_back_end_whose_plugin_was_set_aside_says_so(
    install_plugin: InstallPlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_plugin("sm-local", "import no_such_thing", entry="local")
    found = [point for point in entry_points(group="sm_core.plugins") if point.name == "local"]
    monkeypatch.setattr("sm_core.plugins.entry_points", lambda **_: found[:1])
    with pytest.raises(UnknownBackendError, match=r"'local': plugin 'local' of sm-local 1\.2 was"):
        Session.local()


def test_an_instance_type_that_cannot_be_used_says_why(near: Backend) -> None:
    lacking = attrs.evolve(
        near, unusable=lambda kind: "there is no GPU here" if kind == "my_gpu" else None
    )
    assert lacking.in_requests("mine") == "ml.c5.xlarge"
    assert lacking.in_requests("ml.p3.2xlarge") == "ml.p3.2xlarge"
    with pytest.raises(
        ConfigurationError, match="instance type 'my_gpu' cannot be used: there is no GPU here"
    ):
        lacking.in_requests("my_gpu")
