"""The boto3 session of the local back end: ours alone, whatever the user has configured for AWS."""

from __future__ import annotations

import inspect
import os
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config

from sm_core.errors import LocalServiceError
from sm_local.home import REGION, Home
from sm_local.startup import ensure_service, probe

__all__ = ["LocalSession", "local_boto_session"]

#: What a caller's own ``Config`` may change. AWS allows a model 60 s for its answer; the service
#: keeps to that itself, and its error should arrive before the client gives up.
_DEFAULTS: Final = Config(
    connect_timeout=10,
    read_timeout=90,
    retries={"mode": "standard", "total_max_attempts": 4},
)
#: What it may not. Uploads stay on this machine, over TCP with its own checksums: without further
#: ones, and signed without their payload, they are more than twice as fast; so they are again in
#: one piece, of up to what S3 takes, since nothing has to be put together.
_FIXED: Final = Config(
    region_name=REGION,
    proxies={},
    s3={  # type: ignore[arg-type]  # the stubs do not know the CLI's names
        "addressing_style": "path",
        "payload_signing_enabled": False,
        "multipart_threshold": 5 << 30,
    },
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)


def local_boto_session(home: Home | None = None) -> LocalSession:
    """A boto3 session for the local service of `home` (default: `Home.default()`)."""
    return LocalSession(home or Home.default())


class LocalSession(boto3.Session):
    """A boto3 session whose every client and resource talks to the local service.

    No profile, configuration file, proxy or AWS variable of the user reaches it. The service is
    started when the first client is made, and again before a request if it has gone.
    """

    def __init__(self, home: Home) -> None:
        """Read, or make, the home's key pair; starts nothing.

        Raises:
            LocalServiceError: the home cannot be used.
        """
        self._home = home
        pair = home.credentials()
        super().__init__(
            aws_access_key_id=pair.access_key_id,
            aws_secret_access_key=pair.secret_access_key,
            region_name=REGION,
            botocore_session=_hermetic_session(),
        )
        self.events.register("before-send", self._start_if_gone)

    def client(self, service_name: str, *args: Any, **kwargs: Any) -> Any:
        """A client of the local service.

        Takes `boto3.Session.client`'s arguments. Address, region and keys are always the local
        service's; of `config`, what does not concern how it is reached is used.

        Raises:
            LocalServiceError: the service does not start.
        """
        given = _CLIENT_SIGNATURE.bind(self, service_name, *args, **kwargs).arguments
        return super().client(
            service_name,  # type: ignore[call-overload]  # the stubs want a literal
            api_version=given.get("api_version"),
            endpoint_url=ensure_service(self._home).endpoint_url,
            config=_merged(given.get("config")),
        )

    def _start_if_gone(self, request: AWSPreparedRequest, **_: Any) -> None:
        service = probe(self._home) or ensure_service(self._home)
        if urlsplit(request.url).port != service.port:
            raise LocalServiceError(
                f"the local service has moved to port {service.port} since this Session was made; "
                "make a new Session"
            )


_CLIENT_SIGNATURE: Final = inspect.signature(boto3.Session.client)


def _hermetic_session() -> botocore.session.Session:
    """A botocore session that reads no configuration file and no variable."""
    variables = {
        name: (None, None, default, convert)
        for name, (_, _, default, convert) in botocore.session.Session.SESSION_VARIABLES.items()
    }
    for name in ("config_file", "credentials_file"):
        variables[name] = (None, None, os.devnull, None)
    session = botocore.session.Session(session_vars=variables)
    # These sections are made of variables of their own.
    store = session.get_component("config_store")
    store.set_config_variable("s3", {})
    store.set_config_variable("proxies_config", {})
    return session


def _merged(config: Config | None) -> Config:
    return (_DEFAULTS if config is None else _DEFAULTS.merge(config)).merge(_FIXED)
