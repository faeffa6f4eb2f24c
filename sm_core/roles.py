"""IAM roles: a role's full ARN by its name, and the role that the program itself runs under."""

from __future__ import annotations

import logging
import re

from sm_core.clients import translated_errors
from sm_core.connection import Connection
from sm_core.errors import ConfigurationError, RequestError

__all__ = ["caller_arn", "execution_role", "expand_role", "is_arn"]

logger = logging.getLogger(__name__)

#: What STS calls a role's temporary credentials.
_ASSUMED = re.compile(
    r"arn:(?P<partition>[\w-]+):sts::(?P<account>\d+):assumed-role/(?P<name>[^/]+)/.*"
)
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+")
#: Roles that the console makes for notebooks are named like this, and lie below this path.
_CONSOLES_ROLE, _CONSOLES_PATH = "AmazonSageMaker-ExecutionRole", "service-role/"


def expand_role(connection: Connection, role: str | None) -> str:
    """The role's full ARN, from its name or ARN; of None, the back end's default role.

    Raises:
        ConfigurationError: no role is given and the back end has no default, it cannot be looked
            up, or an ARN is no role's.
    """
    role = role or connection.backend.default_role
    if role is None:
        raise ConfigurationError(
            "role is missing: give the name or ARN of an IAM role that SageMaker may assume"
        )
    if is_arn(role):
        return role
    try:
        return _look_up(connection, role.rpartition("/")[2])
    except RequestError as error:
        if error.code not in ("NoSuchEntity", "AccessDenied", "ValidationError"):
            raise
        raise ConfigurationError(
            f"the role {role!r} cannot be looked up ({error}); check the name, or give the "
            "role's full ARN"
        ) from error


def is_arn(role: str) -> bool:
    """Whether `role` is a role's full ARN, and not its name.

    Raises:
        ConfigurationError: it is neither.
    """
    if not isinstance(role, str):
        raise ConfigurationError(f"role is {role!r}; give the name or ARN of an IAM role")
    if role.startswith("arn:") and not _ROLE.fullmatch(role):
        raise ConfigurationError(
            f"role {role!r} is no role's ARN; one looks like "
            "'arn:aws:iam::111122223333:role/SageMakerRole'"
        )
    return role.startswith("arn:")


def caller_arn(connection: Connection) -> str:
    """ARN of the user that the credentials belong to, or of the role that was assumed."""
    with translated_errors():
        caller = str(connection.client("sts").get_caller_identity()["Arn"])
    assumed = _ASSUMED.fullmatch(caller)
    if assumed is None:
        return caller
    name = assumed["name"]
    try:
        return _look_up(connection, name)
    except RequestError as error:
        # Many a role may not read itself. Its path, which STS does not tell, is then a guess.
        path = _CONSOLES_PATH if name.startswith(_CONSOLES_ROLE) else ""
        guess = f"arn:{assumed['partition']}:iam::{assumed['account']}:role/{path}{name}"
        logger.info("role %s cannot be looked up (%s); taken to be %s", name, error, guess)
        return guess


def execution_role(connection: Connection) -> str:
    """ARN of the role that this program runs under, as in a notebook, for jobs to run under too.

    Raises:
        ConfigurationError: the credentials are a user's, and the back end has no default role.
    """
    if connection.backend.default_role is not None:
        return connection.backend.default_role
    caller = caller_arn(connection)
    if not _ROLE.fullmatch(caller):
        raise ConfigurationError(
            f"the credentials belong to {caller}, which is not a role; a notebook on SageMaker has "
            "one, elsewhere give the name or ARN of an IAM role as role="
        )
    return caller


def _look_up(connection: Connection, name: str) -> str:
    with translated_errors():
        return str(connection.client("iam").get_role(RoleName=name)["Role"]["Arn"])
