"""JSON and CSV bodies to Python values and back; arrays of any library are written too."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from sm_core.container.errors import BadPayload

__all__ = ["csv_of", "json_of", "plain", "rows_of_csv", "value_of_json"]

_SCALARS = (str, bool, int, float, type(None))
_JSON_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


def value_of_json(body: str | bytes) -> Any:
    """The value that `body` is.

    Raises:
        BadPayload: `body` is not JSON.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadPayload(f"the body is not JSON: {error}") from None


def rows_of_csv(body: str, *, width: int | None = None) -> list[list[float]]:
    """Lines of numbers; blank lines are skipped.

    Args:
        body: the lines.
        width: how many numbers each line must have; None for as many as the first.

    Raises:
        BadPayload: a line holds something else, or too many or too few numbers; names the line.
    """
    reader = csv.reader(io.StringIO(body, newline=""), strict=True)
    rows: list[list[float]] = []
    try:
        for cells in reader:
            try:
                numbers = [*map(float, cells)]
            except ValueError as error:
                # Nothing but commas is a row whose numbers are missing: without it, all answers
                # that follow would be those of other rows.
                if len(cells) == 1 and not cells[0].strip():
                    continue
                line = reader.line_num
                raise BadPayload(
                    f"line {line} holds something that is no number: {error}"
                ) from None
            if numbers:
                width = len(numbers) if width is None else width
                _check_width(numbers, width, line=reader.line_num)
                rows.append(numbers)
    except csv.Error as error:
        raise BadPayload(f"line {reader.line_num} is not CSV: {error}") from None
    if not rows:
        raise BadPayload("the body has no line of numbers")
    return rows


def _check_width(numbers: list[float], width: int, *, line: int) -> None:
    if len(numbers) != width:
        raise BadPayload(f"line {line} has {len(numbers)} numbers instead of {width}")


def json_of(value: Any) -> bytes:
    """`value` as JSON, whatever makes arrays or lists included; NaN and infinities become null.

    Raises:
        TypeError: there is no JSON for it.
    """
    return orjson.dumps(value, default=plain, option=_JSON_OPTIONS)


def csv_of(value: Any) -> bytes:
    """`value` as lines of CSV: one for each of its rows; a row that is a scalar is a line too.

    Raises:
        TypeError: it is no text, number, list or array.
    """
    if isinstance(value, str):
        return value.encode()
    rows = value if isinstance(value, (list, tuple)) else _listed(value)
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(_cells(row) for row in rows)
    return text.getvalue().encode()


def _listed(value: Any) -> Sequence[Any]:
    if not isinstance(value, _SCALARS):
        value = plain(value)
    if not isinstance(value, (list, *_SCALARS)):
        value = _tolist(value)
    return value if isinstance(value, list) else [value]


def _cells(row: Any) -> Iterable[Any]:
    if isinstance(row, _SCALARS):
        return [row]
    return row if isinstance(row, (list, tuple)) else _listed(row)


def plain(value: Any) -> Any:
    """What an array, a tensor or a table of some library holds, as a numpy array or lists.

    Raises:
        TypeError: it is nothing of the kind.
    """
    for method in ("asnumpy", "to_numpy", "toarray"):
        convert = getattr(value, method, None)
        if convert is not None:
            return convert()
    return _tolist(value)


def _tolist(value: Any) -> Any:
    convert = getattr(value, "tolist", None)
    if convert is None:
        raise TypeError(
            f"a {type(value).__name__} has no form in a response; define output_fn in the script"
        )
    return convert()
