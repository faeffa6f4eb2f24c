"""The core's own plugin: AWS, built-in codecs and the user's own images, by the common hooks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sm_core.backends import Backend, Polling
from sm_core.plugins import hookimpl

if TYPE_CHECKING:
    import boto3

    from sm_core.codecs import Codec
    from sm_core.images import ImageOrigin, ImageRequest


@hookimpl
def sm_backends() -> Iterable[Backend]:
    """AWS, by the ordinary boto3 chain of profiles, variables and roles."""
    return [
        Backend(
            name="aws",
            boto_session=_boto_session,
            polling=Polling(first=5, factor=1.5, ceiling=30),
        )
    ]


def _boto_session() -> boto3.Session:
    import boto3

    return boto3.Session()


@hookimpl
def sm_codecs() -> Iterable[Codec]:
    """JSON, JSON lines, CSV, npy, text and bytes."""
    from sm_core.formats import BUILTIN

    return BUILTIN


@hookimpl(trylast=True)
def sm_image(request: ImageRequest) -> str | None:
    """Images of frameworks that no plugin has a table for, from the user's own file."""
    from sm_core.imagechoice import image_uri
    from sm_core.imagetables import user_table

    table = user_table()
    if table is None or request.framework not in table.frameworks:
        return None
    return image_uri(table, request)


@hookimpl(trylast=True)
def sm_image_origin(image: str) -> ImageOrigin | None:
    """What an image is that the user's own file lists."""
    from sm_core.imagechoice import origin_of_image
    from sm_core.imagetables import user_table

    table = user_table()
    return None if table is None else origin_of_image(table, image)
