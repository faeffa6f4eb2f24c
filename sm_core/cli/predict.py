"""``sm predict``: one request to an endpoint."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import PurePath
from typing import IO

import click

from sm_core.cli.output import is_terminal
from sm_core.cli.places import place_options, session

__all__ = ["predict"]

#: What a file's ending says of its content.
CONTENT_TYPES: Mapping[str, str] = {
    ".csv": "text/csv",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".jsonl": "application/jsonlines",
    ".libsvm": "text/libsvm",
    ".npy": "application/x-npy",
    ".npz": "application/x-npz",
    ".png": "image/png",
    ".recordio": "application/x-recordio-protobuf",
    ".txt": "text/plain",
}
#: What standard input is taken for.
DEFAULT = "application/json"


@click.command(short_help="Ask an endpoint.")
@click.argument("endpoint")
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--content-type", metavar="TYPE", help="Content type of FILE.")
@click.option("--accept", metavar="TYPE", help="Content type to ask for.")
@click.option("--target-variant", metavar="NAME", help="Production variant to ask.")
@place_options
def predict(
    endpoint: str,
    file: IO[bytes],
    content_type: str | None,
    accept: str | None,
    target_variant: str | None,
) -> None:
    """Send FILE, or the standard input, to ENDPOINT; print the answer's body as it is.

    Without --content-type it is what the file's ending says: .json, .jsonl, .csv, .npy, .npz, .txt,
    .libsvm, .recordio, .jpg, .jpeg or .png. Standard input is taken for JSON.
    """
    from sm_core.predictor import Predictor

    kind = content_type or _content_type(getattr(file, "name", "-"))
    predictor = Predictor(endpoint, session(), content_type=kind, accept=accept)
    answer: bytes = predictor.predict(file.read(), target_variant=target_variant)
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()
    if is_terminal(sys.stdout) and not answer.endswith(b"\n"):
        click.echo()


def _content_type(name: str) -> str:
    if name in ("-", "<stdin>"):
        return DEFAULT
    ending = PurePath(name).suffix.lower()
    if ending not in CONTENT_TYPES:
        raise click.UsageError(
            f"the ending of {PurePath(name).name!r} does not tell its content type: give "
            f"--content-type, or one of {', '.join(CONTENT_TYPES)}"
        )
    return CONTENT_TYPES[ending]
