"""IAM."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.sm_local.service.conftest import Served

pytestmark = pytest.mark.integ


def test_every_role_is_there(served: Served) -> None:
    role = served.client("iam").get_role(RoleName="SageMakerRole")["Role"]
    assert role["Arn"] == "arn:aws:iam::000000000000:role/SageMakerRole"
    assert role["RoleName"] == "SageMakerRole"
    assert (
        role["RoleId"] == served.client("iam").get_role(RoleName="SageMakerRole")["Role"]["RoleId"]
    )
