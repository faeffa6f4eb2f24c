"""The environments that jobs and endpoints run in: what the client handed over, made ready here."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import attrs

from sm_core.containerspec import ContainerSpec, Device
from sm_core.errors import LocalServiceError, SMError
from sm_local.environments import Lease, ensure_environment, find_environment
from sm_local.environmentspec import EnvironmentSpec
from sm_local.gpu import device_for
from sm_local.home import ENVIRONMENT_TAG, REGION, RESERVED_BUCKET
from sm_local.service.checks import invalid
from sm_local.service.context import Context

__all__ = ["Container", "Environments"]


@attrs.frozen(kw_only=True)
class Container:
    """An environment that is ready; a context manager until something runs in it.

    Attributes:
        folder: of the environment.
        spec: what it stands for.
        index: how its package index is reached, as ``uv`` wants to know it; for the requirements
            that a user's code brings along.
        lease: what keeps it from being pruned; None if nothing would.
    """

    folder: Path
    spec: ContainerSpec
    index: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    lease: Lease | None = attrs.field(default=None, eq=False, repr=False)

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.folder / "bin" / "python")

    def __enter__(self) -> Container:
        """It stays until the end of the block; what runs in it then keeps it by itself."""
        return self

    def __exit__(self, *_: object) -> None:
        if self.lease is not None:
            self.lease.release()


class Environments:
    """Finds and builds environments. Every method blocks."""

    def __init__(self, context: Context) -> None:
        """Read specifications and wheels from the reserved bucket of `context`."""
        self._context = context

    def resolve(
        self,
        tags: Mapping[str, str],
        image: str,
        *,
        hosts: int = 1,
        instance_type: str = "",
    ) -> str:
        """The digest of the environment specification for a request, stored for later.

        Args:
            tags: the request's; a client with sm-local names the environment that it has handed
                over.
            image: of the request; for any other client the service's own plugins must know it.
            hosts: that train together.
            instance_type: that they are of; empty for a model, which has none yet.

        Raises:
            ServiceError: nothing was handed over under that name, or no plugin knows the image.
        """
        digest = tags.get(ENVIRONMENT_TAG)
        if digest is None:
            return self._own(image, hosts=hosts, device=device_for(image, instance_type))
        if self._context.objects.info(RESERVED_BUCKET, _spec_key(digest)) is None:
            raise invalid(
                f"tag {ENVIRONMENT_TAG} names the environment {digest!r}, which was never handed "
                "over: send the request through sm_core, which does that, or without the tag"
            )
        return digest

    def ensure(self, digest: str, log: Callable[[str], None]) -> Container:
        """The environment, built now if it is not there. May take minutes.

        Args:
            digest: from `resolve`.
            log: called with lines of progress; an exception from it ends the building.

        Raises:
            LocalServiceError: it cannot be built; the message is the installer's.
        """
        objects = self._context.objects
        path = objects.path(RESERVED_BUCKET, _spec_key(digest))
        if path is None:
            raise LocalServiceError(f"the environment specification {digest} was deleted")
        spec = EnvironmentSpec.from_json(path.read_bytes()).with_secrets(self._secrets(digest))
        while (lease := find_environment(self._context.home.path, spec)) is None:
            self._build(spec, log)
        return Container(folder=lease.folder, spec=spec.container, index=spec.index, lease=lease)

    def forget_secrets(self, needed: Callable[[], Collection[str]]) -> None:
        """Delete the passwords of package indexes that nothing needs any more.

        Args:
            needed: the digests of the environments that may still be built or added to; asked
                for only if there are passwords.
        """
        objects = self._context.objects
        stored = [info.key for info in objects.list(RESERVED_BUCKET, _SECRETS)]
        kept = {_secrets_key(digest) for digest in needed()} if stored else set()
        for key in stored:
            if key not in kept:
                objects.delete(RESERVED_BUCKET, key)

    def _build(self, spec: EnvironmentSpec, log: Callable[[str], None]) -> None:
        objects = self._context.objects
        with tempfile.TemporaryDirectory(prefix="sm-wheels-") as scratch:
            wheels: dict[str, Path] = {}
            for wheel in spec.wheels:
                wheels[wheel.sha256] = Path(scratch) / wheel.filename
                key = _wheel_key(wheel.sha256, wheel.filename)
                if objects.info(RESERVED_BUCKET, key) is None:
                    raise LocalServiceError(f"the wheel {wheel.filename} was never handed over")
                objects.copy_out(RESERVED_BUCKET, key, wheels[wheel.sha256])
            ensure_environment(self._context.home.path, spec, wheels, log)

    def _secrets(self, digest: str) -> dict[str, str]:
        """What the specification leaves out: the client hands it over beside it, if it has any."""
        objects = self._context.objects
        if objects.info(RESERVED_BUCKET, _secrets_key(digest)) is None:
            return {}
        _, file = objects.open(RESERVED_BUCKET, _secrets_key(digest))
        with file:
            secrets: dict[str, str] = json.load(file)
        return secrets

    def _own(self, image: str, *, hosts: int, device: Device) -> str:
        """Ask the service's own plugins about `image`, and keep what they need like a client."""
        # Plugins are loaded for the first such request only, not whenever the service starts.
        from sm_core.plugins import client_plugins
        from sm_local.handover import environment_of

        try:
            container = client_plugins().first(
                "sm_container",
                ContainerSpec,
                framework=None,
                version=None,
                device=device,
                image=image,
                hosts=hosts,
                function_mode=None,
            )
            if container is None:
                raise invalid(_unknown_image(image))
            spec, files = environment_of(self._context.home, container)
        except SMError as error:
            raise invalid(f"image {image}: {error}") from error
        objects = self._context.objects
        for file in files:
            key = _wheel_key(file.sha256, file.filename)
            if objects.info(RESERVED_BUCKET, key) is None:
                objects.put_file(RESERVED_BUCKET, key, file.path)
        if spec.secrets:
            body = json.dumps(spec.secrets).encode()
            objects.put_bytes(RESERVED_BUCKET, _secrets_key(spec.digest), body)
        if objects.info(RESERVED_BUCKET, _spec_key(spec.digest)) is None:
            objects.put_bytes(RESERVED_BUCKET, _spec_key(spec.digest), spec.to_json())
        return spec.digest


_SECRETS = "secrets/"


def _secrets_key(digest: str) -> str:
    return f"{_SECRETS}{digest}.json"


def _spec_key(digest: str) -> str:
    return f"specs/{digest}.json"


def _wheel_key(sha256: str, filename: str) -> str:
    return f"wheels/{sha256}/{filename}"


def _unknown_image(image: str) -> str:
    from sm_core.frameworks import list_frameworks

    examples = [example for name in list_frameworks() if (example := _image_of(name)) is not None]
    known = f"those of every version, like {', '.join(examples)}" if examples else "no image at all"
    return (
        f"no plugin of the local service knows the image {image}, and it uses no container engine, "
        f"which could run others; known are {known}. Ways out: name one of these; or install the "
        "plugin that brings the image's framework beside sm-local (pip install sm-mxnet, for "
        "instance) and stop the service with `sm local down`, it starts again by itself; or send "
        "the request through sm_core, with the plugin installed beside it; or run the image on AWS"
    )


def _image_of(framework: str) -> str | None:
    """The image for training with a framework's default version; None if there is none here."""
    from sm_core.frameworks import get_framework
    from sm_core.images import ImageRequest
    from sm_core.plugins import client_plugins

    request = ImageRequest(
        framework=framework,
        default_version=get_framework(framework).default_version,
        region=REGION,
        instance_type="ml.c5.xlarge",
        scope="training",
        own_container=True,
    )
    try:
        return client_plugins().first("sm_image", str, request=request)
    except SMError:
        # A framework without such an image, or whose plugin is at odds with another: `sm plugins`
        # tells; here only another image was asked for.
        return None
