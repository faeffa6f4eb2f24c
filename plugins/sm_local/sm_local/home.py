"""The home of a local service: one private folder that holds its state, and the names in it.

::

    service.json      process, port and version of the running service
    service.lock      held (flock) by the running service: its liveness
    start.lock        held while somebody starts or stops the service
    port              the port chosen once for this home
    credentials.json  the key pair that signs this user's requests, made once
    state.db          the service's database, opened by nobody else
    blobs/            bytes of S3 objects
    environments/     virtual environments of jobs and endpoints
    wheels/           installed distributions, packed again for those environments
    jobs/             one folder for each training job
    endpoints/        one folder for each model server
    service.log       what the service prints
    stay              there while the service must not end by itself

Nothing here imports boto3 or starts anything.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import stat
import string
import sys
import tempfile
from pathlib import Path

import attrs

from sm_core.errors import LocalServiceError

__all__ = [
    "ACCOUNT",
    "ENVIRONMENT_TAG",
    "HOME_VARIABLE",
    "REGION",
    "RESERVED_BUCKET",
    "Credentials",
    "Home",
    "network_filesystem",
    "write_private",
]

#: The one region and the one account that the local service has.
REGION = "us-east-1"
ACCOUNT = "000000000000"
#: Bucket through which clients hand over wheels and environment specifications.
RESERVED_BUCKET = "sm-local-environments"
#: Tag of a training job or model whose value is the digest of its environment specification.
ENVIRONMENT_TAG = "sm-local:environment"
#: Names another folder as the home.
HOME_VARIABLE = "SMCORE_LOCAL_HOME"

_DEFAULT_HOME = "~/.sm/local"
_FOLDERS = ("blobs", "environments", "wheels", "jobs", "endpoints")

#: File systems on which flock or SQLite's locks are not to be trusted, as Linux names them.
_NETWORK_FILE_SYSTEMS = frozenset(
    {
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "fuse.ceph",
        "fuse.gcsfuse",
        "fuse.glusterfs",
        "fuse.juicefs",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.sshfs",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "smb3",
        "smbfs",
    }
)


@attrs.frozen(kw_only=True)
class Credentials:
    """A key pair; the secret half is not shown."""

    access_key_id: str
    secret_access_key: str = attrs.field(repr=False)


def _absolute(path: str | os.PathLike[str]) -> Path:
    return Path(os.path.abspath(path))


@attrs.frozen
class Home:
    """The folder of one local service.

    Attributes:
        path: absolute path of the folder; it need not exist yet.
    """

    path: Path = attrs.field(converter=_absolute)

    @classmethod
    def default(cls) -> Home:
        """The folder that ``SMCORE_LOCAL_HOME`` names, else ``~/.sm/local``.

        Raises:
            LocalServiceError: the user has no home directory to begin with.
        """
        path = Path(os.environ.get(HOME_VARIABLE) or _DEFAULT_HOME)
        try:
            return cls(path.expanduser())
        except RuntimeError as error:
            raise LocalServiceError(
                f"there is no home directory for {path} ({error}); "
                f"name a folder for the local service in {HOME_VARIABLE}"
            ) from error

    @property
    def service_json(self) -> Path:
        """Process, port and version of the running service."""
        return self.path / "service.json"

    @property
    def service_lock(self) -> Path:
        """Held by the running service."""
        return self.path / "service.lock"

    @property
    def start_lock(self) -> Path:
        """Held while somebody starts or stops the service."""
        return self.path / "start.lock"

    @property
    def port_file(self) -> Path:
        """The port chosen for this home."""
        return self.path / "port"

    @property
    def credentials_json(self) -> Path:
        """The user's key pair."""
        return self.path / "credentials.json"

    @property
    def state_db(self) -> Path:
        """The service's database."""
        return self.path / "state.db"

    @property
    def blobs(self) -> Path:
        """Bytes of S3 objects."""
        return self.path / "blobs"

    @property
    def environments(self) -> Path:
        """Virtual environments."""
        return self.path / "environments"

    @property
    def wheels(self) -> Path:
        """Installed distributions, packed again."""
        return self.path / "wheels"

    @property
    def jobs(self) -> Path:
        """One folder for each training job."""
        return self.path / "jobs"

    @property
    def endpoints(self) -> Path:
        """One folder for each model server."""
        return self.path / "endpoints"

    @property
    def service_log(self) -> Path:
        """What the service prints."""
        return self.path / "service.log"

    @property
    def stay_marker(self) -> Path:
        """While it exists, an idle service goes on: ``sm local up`` makes it, ``down`` ends it."""
        return self.path / "stay"

    def create(self) -> Home:
        """Make the folder and those in it, for the owner alone, where they are missing.

        Raises:
            LocalServiceError: the folder lies on a network file system, belongs to somebody else,
                holds other files that others may read, or cannot be made.
        """
        self._refuse_network_filesystem()
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._make_private()
            for name in _FOLDERS:
                (self.path / name).mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise LocalServiceError(
                f"the home of the local service cannot be made: {error}; "
                f"name another folder in {HOME_VARIABLE}"
            ) from error
        return self

    def credentials(self) -> Credentials:
        """The key pair that signs this user's requests; made on first use, then always the same.

        Raises:
            LocalServiceError: the file is unreadable or not a key pair.
        """
        path = self.credentials_json
        if not path.exists():
            self.create()
            _write_once(path, _new_key_pair())
        try:
            pair = json.loads(path.read_text(encoding="utf-8"))
            return Credentials(
                access_key_id=pair["access_key_id"], secret_access_key=pair["secret_access_key"]
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LocalServiceError(
                f"{path} holds no key pair ({type(error).__name__}: {error}); "
                "stop the service (sm local down) and delete the file, a new one will be made"
            ) from error

    def _refuse_network_filesystem(self) -> None:
        if not sys.platform.startswith("linux"):
            return
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="surrogateescape")
        kind = network_filesystem(Path(os.path.realpath(self.path)), mounts)
        if kind is not None:
            raise LocalServiceError(
                f"{self.path} lies on a network file system ({kind}), where the locks that the "
                "local service relies on do not hold; name a folder on a local disk in "
                f"{HOME_VARIABLE}"
            )

    def _make_private(self) -> None:
        found = self.path.stat()
        if found.st_uid != os.geteuid():
            raise LocalServiceError(
                f"{self.path} belongs to another user (uid {found.st_uid}); "
                f"name a folder of your own in {HOME_VARIABLE}"
            )
        if not stat.S_IMODE(found.st_mode) & 0o077:
            return
        ours = self.credentials_json.exists() or not any(self.path.iterdir())
        if not ours:
            raise LocalServiceError(
                f"{self.path} holds other files and is open to other users; name a folder for the "
                f"local service alone in {HOME_VARIABLE}, or run: chmod 700 {self.path}"
            )
        self.path.chmod(0o700)


def network_filesystem(path: Path, mounts: str) -> str | None:
    """The type of the network file system that `path` lies on, or None.

    Args:
        path: absolute and without symbolic links; it need not exist.
        mounts: the text of ``/proc/mounts`` (fstab(5): fields parted by spaces, octal escapes).
    """
    kind, depth = "", -1
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[1]))
        # Of two mounts at one place the later one hides the earlier.
        if (point == path or point in path.parents) and len(point.parts) >= depth:
            kind, depth = fields[2], len(point.parts)
    return kind if kind in _NETWORK_FILE_SYSTEMS else None


def write_private(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all, readable by the owner alone."""
    temporary = _private_file(path, data)
    try:
        temporary.replace(path)
    except OSError:
        temporary.unlink()
        raise


def _write_once(path: Path, data: bytes) -> None:
    """Like `write_private`, but of several who do it at once the first one wins."""
    temporary = _private_file(path, data)
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()


def _private_file(path: Path, data: bytes) -> Path:
    # mkstemp's files are 0600.
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return Path(name)


def _new_key_pair() -> bytes:
    alphabet = string.ascii_uppercase + string.digits
    pair = {
        "access_key_id": "SMLOCAL" + "".join(secrets.choice(alphabet) for _ in range(13)),
        "secret_access_key": secrets.token_urlsafe(30),
    }
    return json.dumps(pair).encode()
