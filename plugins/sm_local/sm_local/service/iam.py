"""IAM: every role there is a name for."""

from __future__ import annotations

import hashlib
from datetime import datetime, timezone
from typing import Any

from sm_local.home import ACCOUNT
from sm_local.service.aws_json import Operations
from sm_local.service.wire import Caller

__all__ = ["OPERATIONS"]

_MADE = datetime(2017, 11, 29, tzinfo=timezone.utc)


async def _get_role(given: dict[str, Any], caller: Caller) -> dict[str, Any]:
    """Nothing is forbidden to a role here, so that any name will do."""
    name = given["RoleName"]
    digest = hashlib.sha256(name.encode()).hexdigest()
    return {
        "Role": {
            "Path": "/",
            "RoleName": name,
            "RoleId": f"AROA{digest[:17].upper()}",
            "Arn": f"arn:aws:iam::{ACCOUNT}:role/{name}",
            "CreateDate": _MADE,
        }
    }


OPERATIONS: Operations = {"GetRole": _get_role}
