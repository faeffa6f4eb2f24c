"""STS: who is calling."""

from __future__ import annotations

from typing import Any

from sm_local.home import ACCOUNT
from sm_local.service.aws_json import Operations
from sm_local.service.wire import Caller

__all__ = ["OPERATIONS"]

#: Names of the user and of the role that jobs and endpoints run as.
_USER = "local"
_ROLE = "SageMakerRole"


async def _get_caller_identity(given: dict[str, Any], caller: Caller) -> dict[str, Any]:
    if caller.is_user:
        arn = f"arn:aws:iam::{ACCOUNT}:user/{_USER}"
    else:
        arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{_ROLE}/SageMaker"
    return {"UserId": caller.access_key_id, "Account": ACCOUNT, "Arn": arn}


OPERATIONS: Operations = {"GetCallerIdentity": _get_caller_identity}
