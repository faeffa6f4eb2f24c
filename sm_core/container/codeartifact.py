"""A repository of AWS CodeArtifact as the package index."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit, urlunsplit

from sm_core.container.aws import aws_client, aws_errors
from sm_core.errors import ConfigurationError

__all__ = ["index_url"]

_ARN = re.compile(
    r"arn:[^:]+:codeartifact:(?P<region>[^:]+):(?P<account>[^:]+)"
    r":repository/(?P<domain>[^/]+)/(?P<repository>.+)"
)


def index_url(arn: str, *, region: str = "") -> str:
    """The URL of a repository's index, with the token that lets this container in.

    Args:
        arn: ``arn:aws:codeartifact:<region>:<account>:repository/<domain>/<repository>``.
        region: AWS region for a repository whose ARN names none.

    Raises:
        ConfigurationError: the ARN has another form.
        ContainerError: CodeArtifact refuses.
    """
    found = _ARN.fullmatch(arn)
    if found is None:
        raise ConfigurationError(
            f"CA_REPOSITORY_ARN is {arn!r}; it must be of the form "
            "arn:aws:codeartifact:<region>:<account>:repository/<domain>/<repository>"
        )
    owner = {"domain": found["domain"], "domainOwner": found["account"]}
    with aws_errors(f"cannot use {arn} as the package index"):
        client = aws_client("codeartifact", region=found["region"] or region)
        token = client.get_authorization_token(**owner)["authorizationToken"]
        endpoint: str = client.get_repository_endpoint(
            **owner, repository=found["repository"], format="pypi"
        )["repositoryEndpoint"]
    parts = urlsplit(endpoint)
    login = f"aws:{quote(token, safe='')}@{parts.netloc}"
    path = f"{parts.path.rstrip('/')}/simple/"
    return urlunsplit((parts.scheme, login, path, "", ""))
