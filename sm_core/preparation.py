"""What a request needs from an account: the role's ARN, a bucket, a place for code and data.

A `Preparation` looks things up at once, and notes what is to be created and uploaded: that is done
when the whole request has been built, so that nothing is left behind by a request that is wrong.
`DryPreparation` answers the same questions without a call, for ``training_request()``.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from botocore.validate import ParamValidator

from sm_core.clients import translated_errors
from sm_core.downloads import opened_object
from sm_core.errors import ConfigurationError, RequestError
from sm_core.inputs import split_s3_uri
from sm_core.naming import default_bucket_name
from sm_core.repacking import EntryPoint, repacked
from sm_core.requests import shape_request
from sm_core.roles import is_arn
from sm_core.settings import s3_place
from sm_core.uploads import uploaded_uri

if TYPE_CHECKING:
    from sm_core.session import Session
    from sm_core.source import Archive, Source

__all__ = ["DryPreparation", "Preparation"]

_ARCHIVE = "sourcedir.tar.gz"
_MODEL = "model.tar.gz"


class Preparation:
    """Prepares an account for one request, by calls."""

    def __init__(self, session: Session) -> None:
        """
        Args:
            session: whose account.
        """
        self.session = session
        self._steps: list[Callable[[], object]] = []

    def carry_out(self, operation: str, request: Mapping[str, Any]) -> None:
        """Create and upload what the answers promised, if the request made of them is valid.

        Plugins' request hooks see it here for the first time: what they refuse leaves nothing.

        Args:
            operation: of SageMaker, that the request is for.
            request: as it would be sent.

        Raises:
            ConfigurationError: the request has not the form that the operation takes, a bucket is
                not the user's to use, or code cannot be read.
            RequestError: a call was refused.
        """
        model = self.session.sagemaker_client.meta.service_model.operation_model(operation)
        amended = shape_request(
            request,
            service="sagemaker",
            operation=operation,
            backend=self.session.backend.name,
            sending=False,
        )
        finished = request if amended is None else amended
        mistakes = ParamValidator().validate(finished, model.input_shape)
        if mistakes.has_errors():
            raise ConfigurationError(f"{operation}: {mistakes.generate_report()}")
        for step in self._steps:
            step()
        self._steps.clear()

    def role_arn(self, role: str | None) -> str:
        """The role's ARN."""
        return self.session.expand_role(role)

    def default_bucket(self) -> str:
        """The account's default bucket."""
        self._steps.append(self.session.default_bucket)
        return default_bucket_name(self.session.region, self._account_id())

    def output_path(self, output_path: str | None) -> str:
        """Where the job's results go."""
        if output_path is None:
            return f"s3://{self.default_bucket()}/"
        bucket, _ = s3_place("output_path", output_path)
        self._steps.append(partial(self.session.ensure_bucket, bucket))
        return output_path

    def code_uri(self, source: Source, *, location: str | None) -> str:
        """Where the archive of the user's code is: under a name that its content gives.

        The same code is uploaded once, whichever jobs and models run it, and no job can change the
        code of another one.

        Args:
            source: the code.
            location: bucket, or ``s3://bucket/prefix``; None for the default bucket.

        Raises:
            ConfigurationError: `location` is neither, or the code cannot be packed.
        """
        if source.uri is not None:
            return source.uri
        archive = source.archive()
        bucket, key = self._place(location, archive.sha256.hex(), _ARCHIVE)
        self._steps.append(partial(_upload_code, self.session, archive, bucket=bucket, key=key))
        return f"s3://{bucket}/{key}"

    def model_uri(
        self, model_data: str, source: Source, *, location: str | None, program: str | None
    ) -> str:
        """Where a copy of the model's archive is that has the user's code in it.

        Its name is given by the code's content and by the name of the model's archive: the same two
        make the same copy, each time anew, since what lies under a name may change.

        Args:
            model_data: S3 URI of the model's archive.
            source: the code.
            location: as for `code_uri`.
            program: the name that the entry point gets; None for its own.

        Raises:
            ConfigurationError: as for `code_uri`.
        """
        opened: Callable[[], AbstractContextManager[IO[bytes]]]
        if source.uri is not None:
            named, opened = source.uri, partial(_opened, self.session, source.uri)
        else:
            archive = source.archive()
            named, opened = archive.sha256.hex(), partial(_in_memory, archive)
        entry_point = EntryPoint(source.program, program or source.program)
        parts = (model_data, named, entry_point.program, entry_point.name)
        digest = hashlib.sha256(repr(parts).encode()).hexdigest()
        target = self._place(location, digest, _MODEL)
        self._steps.append(
            partial(
                repacked,
                self.session,
                model_data=model_data,
                code=opened,
                entry_point=entry_point,
                target=target,
            )
        )
        return "s3://{}/{}".format(*target)

    def _place(self, location: str | None, digest: str, name: str) -> tuple[str, str]:
        """Bucket and key of an archive that has `digest` in its name."""
        if location is None:
            bucket, prefix = self.default_bucket(), "code"
        else:
            bucket, prefix = _code_location(location)
            self._steps.append(partial(self.session.ensure_bucket, bucket))
        return bucket, "/".join(part for part in (prefix, digest, name) if part)

    def data_uri(self, path: Path, *, channel: str, job_name: str) -> str:
        """Where a channel's local data is."""
        prefix = f"{job_name}/input/{channel}"
        bucket = self.default_bucket()
        self._steps.append(partial(self.session.upload_data, path, bucket, key_prefix=prefix))
        return uploaded_uri(path, bucket=bucket, prefix=prefix)

    def _account_id(self) -> str:
        return self.session.account_id()


class DryPreparation(Preparation):
    """Answers without a call; what only the account could tell must be given in full."""

    def __init__(self, session: Session, role: str | None) -> None:
        """
        Args:
            session: for its region and back end.
            role: the request's, whose ARN tells the account.
        """
        super().__init__(session)
        self._role = role

    def role_arn(self, role: str | None) -> str:
        """The role's ARN; of a name alone, with the account of the back end's default role.

        Raises:
            ConfigurationError: only the account could tell, or an ARN is no role's.
        """
        default = self.session.backend.default_role
        full = role or default
        if full is not None and is_arn(full):
            return full
        if full is not None and default is not None:
            return f"{default.rpartition('/')[0]}/{full.rpartition('/')[2]}"
        raise ConfigurationError(
            "role is missing: give role= as a full ARN"
            if full is None
            else "a request that is only shown cannot look up the role: give role= as a full ARN"
        )

    def _account_id(self) -> str:
        return self.role_arn(self._role).split(":")[4]


def _code_location(location: str) -> tuple[str, str]:
    """Bucket and prefix of ``code_location``."""
    bucket, prefix = split_s3_uri(location if "://" in location else f"s3://{location}") or ("", "")
    if not bucket:
        raise ConfigurationError(
            f"code_location {location!r} is neither a bucket's name nor 's3://bucket/prefix'"
        )
    return bucket, prefix.strip("/")


def _in_memory(archive: Archive) -> AbstractContextManager[IO[bytes]]:
    return nullcontext(io.BytesIO(archive.data))


@contextmanager
def _opened(session: Session, uri: str) -> Iterator[IO[bytes]]:
    """The code's archive in S3."""
    bucket, key = split_s3_uri(uri) or ("", "")
    with opened_object(session.client("s3"), bucket, key) as found:
        yield found.stream


def _upload_code(session: Session, archive: Archive, *, bucket: str, key: str) -> None:
    """Upload the archive, unless S3 vouches for the same bytes under the key.

    S3 computed that checksum itself when they were uploaded. Where it does not tell one, or may not
    be asked, they are uploaded again.
    """
    client = session.client("s3")
    checksum = base64.b64encode(archive.sha256).decode()
    if _checksum(client, bucket=bucket, key=key) == checksum:
        return
    with translated_errors(f"uploading the code to s3://{bucket}/{key}"):
        client.put_object(
            Bucket=bucket,
            Key=key,
            Body=archive.data,
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=checksum,
        )


def _checksum(client: Any, *, bucket: str, key: str) -> str | None:
    """What S3 says that the SHA-256 of an object is, in base64; None if it says nothing."""
    try:
        with translated_errors():
            found = client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    except RequestError as error:
        if error.code not in ("403", "404", "AccessDenied", "NoSuchKey"):
            raise
        return None
    checksum: str | None = found.get("ChecksumSHA256")
    return checksum
