"""STS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.sm_local.service.conftest import Served

pytestmark = pytest.mark.integ


def test_the_user(served: Served) -> None:
    answer = served.client("sts").get_caller_identity()
    assert answer["Account"] == "000000000000"
    assert answer["Arn"] == "arn:aws:iam::000000000000:user/local"
    assert answer["UserId"] == served.context.home.credentials().access_key_id


def test_a_job_has_a_role(served: Served) -> None:
    pair = served.context.keys.issue("training-job a")
    arn = served.client("sts", pair).get_caller_identity()["Arn"]
    assert arn == "arn:aws:sts::000000000000:assumed-role/SageMakerRole/SageMaker"
