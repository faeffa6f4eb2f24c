"""The environment of a container."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import uv

from sm_core.containerspec import ContainerSpec
from sm_local.home import Credentials, Home
from sm_local.service.containers import container_environment
from sm_local.service.context import Context
from sm_local.service.environmentstore import Container

PAIR = Credentials(access_key_id="AKIAX", secret_access_key="secret")


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    context = Context.open(Home(tmp_path / "home").create(), port=8123)
    yield context
    context.database.close()


def variables(context: Context, **requested: str) -> dict[str, str]:
    spec = ContainerSpec(framework="x", version="1", environment={"FROM_SPEC": "1", "BOTH": "spec"})
    return container_environment(
        context,
        Container(
            folder=Path("/environment"),
            spec=spec,
            index={"UV_INDEX_URL": "https://index.example", "SSL_CERT_FILE": "/cert.pem"},
        ),
        base=Path("/base"),
        credentials=PAIR,
        platform={"TRAINING_JOB_NAME": "job"},
        requested=requested,
        socket=Path("/run/socket"),
    )


def test_only_what_is_listed_comes_from_the_service(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        os,
        "environ",
        {
            "PATH": "/usr/bin",
            "HOME": "/home/me",
            "LC_ALL": "C.UTF-8",
            "AWS_PROFILE": "mine",
            "PYTHONPATH": "/mine",
            "VIRTUAL_ENV": "/mine",
            "https_proxy": "http://proxy",
        },
    )
    assert variables(context) == {
        "PATH": "/environment/bin:/usr/bin",
        "HOME": "/home/me",
        "LC_ALL": "C.UTF-8",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:8123",
        "AWS_ACCESS_KEY_ID": "AKIAX",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_RETRY_MODE": "standard",
        "AWS_MAX_ATTEMPTS": "8",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "PYTHONUNBUFFERED": "1",
        "UV": uv.find_uv_bin(),
        "SSL_CERT_FILE": "/cert.pem",
        "SMCORE_PACKAGE_INDEX": '{"UV_INDEX_URL": "https://index.example"}',
        "FROM_SPEC": "1",
        "BOTH": "spec",
        "TRAINING_JOB_NAME": "job",
        "SAGEMAKER_BASE_DIR": "/base",
        "SMCORE_SERVER_SOCKET": "/run/socket",
    }


def test_the_request_wins_where_it_may(context: Context) -> None:
    seen = variables(
        context, BOTH="request", AWS_REGION="eu-west-1", SAGEMAKER_BASE_DIR="/", MINE="1"
    )
    assert (seen["BOTH"], seen["AWS_REGION"], seen["MINE"]) == ("request", "eu-west-1", "1")
    assert seen["SAGEMAKER_BASE_DIR"] == "/base"


def test_the_request_s_own_index_stays_its_own(context: Context) -> None:
    seen = variables(context, UV_INDEX_URL="https://mine.example", SSL_CERT_FILE="/mine.pem")
    assert seen["UV_INDEX_URL"] == "https://mine.example"
    assert seen["SSL_CERT_FILE"] == "/mine.pem"
    assert "SMCORE_PACKAGE_INDEX" not in seen
