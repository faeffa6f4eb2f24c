"""CloudWatch Logs over the log files of jobs and model servers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from sm_local import processes
from sm_local.service.context import Context
from sm_local.service.endpoints import ENDPOINT
from sm_local.service.errors import ServiceError
from sm_local.service.hosting import Endpoint
from sm_local.service.logfilter import filter_events
from sm_local.service.modelserver import server_log
from sm_local.service.stores import Store
from sm_local.service.training import TRAINING_JOB
from sm_local.service.traininghosts import stream_file
from sm_local.service.trainingjob import TrainingJob
from sm_local.service.wire import Caller

__all__ = ["Logs"]

_TRAINING_GROUP = "/aws/sagemaker/TrainingJobs"
_ENDPOINT_GROUP = "/aws/sagemaker/Endpoints/"
_MAX_EVENTS = 10_000
_MAX_STREAMS = 50
#: Bytes of a log that one answer holds at most, about.
_MAX_BYTES = 1_048_576
_TOKEN = re.compile(r"([fb])/(\d{1,56})")

Input = dict[str, Any]
Output = dict[str, Any]


@attrs.frozen(kw_only=True)
class _Stream:
    """One log stream: its file, and when what writes it was created, in epoch seconds."""

    name: str
    path: Path
    created: float


class Logs:
    """The operations, by name: they take validated input and return the members of the output."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._jobs = Store(context, TrainingJob, kind=TRAINING_JOB)
        self._endpoints = Store(context, Endpoint, kind=ENDPOINT)
        self.operations: Mapping[str, Callable[[Input, Caller], Awaitable[Output]]] = {
            "DescribeLogStreams": self._describe_log_streams,
            "GetLogEvents": self._get_log_events,
            "FilterLogEvents": self._filter_log_events,
            "DescribeLogGroups": self._describe_log_groups,
        }

    async def _describe_log_streams(self, request: Input, caller: Caller) -> Output:
        return await asyncio.to_thread(self._describe, request)

    async def _get_log_events(self, request: Input, caller: Caller) -> Output:
        return await asyncio.to_thread(self._events, request)

    async def _filter_log_events(self, request: Input, caller: Caller) -> Output:
        group = self._group(request)
        prefix: str = request.get("logStreamNamePrefix", "")
        names = request.get("logStreamNames")
        if prefix and names:
            raise _invalid("logStreamNames and logStreamNamePrefix exclude each other.")

        def search() -> Output:
            streams = {
                stream.name: stream.path
                for stream in self._streams(group, prefix)
                if stream.name.startswith(prefix) and (names is None or stream.name in names)
            }
            if missing := sorted(set(names or ()) - streams.keys()):
                raise _not_found(f"The specified log stream does not exist: {missing[0]}")
            return filter_events(streams, request)

        return await asyncio.to_thread(search)

    async def _describe_log_groups(self, request: Input, caller: Caller) -> Output:
        return await asyncio.to_thread(self._groups, request)

    def _groups(self, request: Input) -> Output:
        prefix: str = request.get("logGroupNamePrefix", "")
        pattern: str = request.get("logGroupNamePattern", "")
        endpoints = self._endpoints.read_all()
        created = {f"{_ENDPOINT_GROUP}{each.name}": each.created for each in endpoints}
        if self._trained():
            created[_TRAINING_GROUP] = min(job.created for job in self._jobs.read_all())
        names = [name for name in sorted(created) if name.startswith(prefix) and pattern in name]
        names = [name for name in names if name > request.get("nextToken", "")]
        page = names[: request.get("limit", _MAX_STREAMS)]
        where = f"arn:aws:logs:{self._context.region}:{self._context.account}:log-group"
        return {
            "logGroups": [
                {
                    "logGroupName": name,
                    "creationTime": int(created[name] * 1000),
                    "arn": f"{where}:{name}:*",
                    "logGroupArn": f"{where}:{name}",
                    "storedBytes": 0,
                    "metricFilterCount": 0,
                }
                for name in page
            ],
            "nextToken": page[-1] if len(page) < len(names) else None,
        }

    def _describe(self, request: Input) -> Output:
        group = self._group(request)
        prefix: str = request.get("logStreamNamePrefix", "")
        by_time = request.get("orderBy") == "LastEventTime"
        if prefix and by_time:
            raise _invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
        described = [
            self._stream_summary(group, stream)
            for stream in self._streams(group, prefix)
            if stream.name.startswith(prefix)
        ]
        described.sort(
            key=lambda stream: (
                stream["lastEventTimestamp"] if by_time else 0,
                stream["logStreamName"],
            ),
            reverse=request.get("descending", False),
        )
        begin = _position(request.get("nextToken"), described)
        end = begin + request.get("limit", _MAX_STREAMS)
        page = described[begin:end]
        token = page[-1]["logStreamName"] if end < len(described) else None
        return {"logStreams": page, "nextToken": token}

    def _events(self, request: Input) -> Output:
        group = self._group(request)
        name: str = request["logStreamName"]
        found = [each for each in self._streams(group, name) if each.name == name]
        if not found:
            raise _not_found("The specified log stream does not exist.")
        path = found[0].path
        limit: int = request.get("limit", _MAX_EVENTS)
        forward, offset = _place(request, path)
        if forward:
            begin = offset
            lines, end = _read_forward(path, begin, limit=limit, request=request)
        else:
            end = offset
            lines, begin = _read_backward(path, end, limit=limit, request=request)
        return {
            "events": [
                {"timestamp": stamp, "message": text, "ingestionTime": stamp}
                for stamp, text in lines
            ],
            "nextForwardToken": f"f/{end:056d}",
            "nextBackwardToken": f"b/{begin:056d}",
        }

    def _group(self, request: Input) -> str:
        identifier: str | None = request.get("logGroupName") or request.get("logGroupIdentifier")
        if identifier is None:
            raise _invalid("Either logGroupName or logGroupIdentifier must be given.")
        return identifier.partition(":log-group:")[2] or identifier

    def _streams(self, group: str, prefix: str) -> list[_Stream]:
        """The group's streams, perhaps without some that do not begin with `prefix`.

        Raises:
            ServiceError: nothing was ever logged to the group.
        """
        if group == _TRAINING_GROUP:
            streams = self._training_streams(prefix)
        elif group.startswith(_ENDPOINT_GROUP):
            streams = self._endpoint_streams(group.removeprefix(_ENDPOINT_GROUP))
        else:
            streams = []
        streams = [stream for stream in streams if stream.path.exists()]
        if not streams and not (group == _TRAINING_GROUP and self._trained()):
            raise _not_found("The specified log group does not exist.")
        return streams

    def _trained(self) -> bool:
        return any(stream.path.exists() for stream in self._training_streams(""))

    def _training_streams(self, prefix: str) -> list[_Stream]:
        name, slash, _ = prefix.partition("/")
        if slash:
            job = self._jobs.read(name)
            jobs = [] if job is None else [job]
        else:
            jobs = self._jobs.read_all()
        return [
            _Stream(
                name=f"{job.name}/{host}-{job.began_logging}",
                path=stream_file(self._context, job, host=host),
                created=job.created,
            )
            for job in jobs
            for host in job.hosts
        ]

    def _endpoint_streams(self, name: str) -> list[_Stream]:
        endpoint = self._endpoints.read(name)
        if endpoint is None:
            return []
        return [
            _Stream(
                name=instance.stream,
                path=server_log(self._context, endpoint, instance=instance),
                created=endpoint.created,
            )
            for instance in endpoint.instances
        ]

    def _stream_summary(self, group: str, stream: _Stream) -> dict[str, Any]:
        first, _ = processes.read_log(stream.path, limit=1)
        details = stream.path.stat()
        created = int(stream.created * 1000)
        last = int(details.st_mtime * 1000)
        region, account = self._context.region, self._context.account
        return {
            "logStreamName": stream.name,
            "creationTime": created,
            "firstEventTimestamp": first[0][0] if first else created,
            "lastEventTimestamp": last,
            "lastIngestionTime": last,
            "arn": f"arn:aws:logs:{region}:{account}:log-group:{group}:log-stream:{stream.name}",
            "storedBytes": 0,
        }


def _position(token: str | None, streams: list[dict[str, Any]]) -> int:
    """Where in the list the page begins that `token` asks for."""
    if token is None:
        return 0
    names = [stream["logStreamName"] for stream in streams]
    if token not in names:
        raise _invalid("The specified nextToken is invalid.")
    return names.index(token) + 1


def _place(request: Input, path: Path) -> tuple[bool, int]:
    """Whether to read forward, and from which byte."""
    token = request.get("nextToken")
    if token is None:
        if request.get("startFromHead", False):
            return True, 0
        return False, path.stat().st_size
    found = _TOKEN.fullmatch(token)
    if found is None:
        raise _invalid("The specified nextToken is invalid.")
    return found[1] == "f", min(int(found[2]), path.stat().st_size)


def _read_forward(
    path: Path, offset: int, *, limit: int, request: Input
) -> tuple[list[tuple[int, str]], int]:
    """Up to `limit` lines of the wanted time from a byte on, and the byte after them."""
    begin = offset
    found: list[tuple[int, str]] = []
    while len(found) < limit:
        lines, offset = processes.read_log(path, offset, limit - len(found))
        found += _wanted(lines, request)
        if not lines or (found and offset - begin >= _MAX_BYTES):
            break
    return found, offset


def _read_backward(
    path: Path, end: int, *, limit: int, request: Input
) -> tuple[list[tuple[int, str]], int]:
    """Up to `limit` lines of the wanted time before a byte, and the byte at which they begin."""
    begin = end
    found: list[tuple[int, str]] = []
    while len(found) < limit:
        begin, count = _lines_before(path, end=begin, limit=limit - len(found))
        lines, _ = processes.read_log(path, begin, count) if count else ([], begin)
        found = _wanted(lines, request) + found
        if not lines or (found and end - begin >= _MAX_BYTES):
            break
    return found, begin


def _lines_before(path: Path, *, end: int, limit: int) -> tuple[int, int]:
    """Where the last `limit` whole lines before the byte `end` begin, and how many there are.

    Fewer, where they are long.
    """
    with path.open("rb") as file:
        begin = max(0, end - _MAX_BYTES)
        file.seek(begin)
        data = file.read(end - begin)
    data = data[: data.rfind(b"\n") + 1]
    if begin:
        # The first piece is the end of a line that begins further ahead.
        cut = data.find(b"\n") + 1
        begin, data = begin + cut, data[cut:]
    lines = [line + b"\n" for line in data.split(b"\n")[:-1]]
    kept = lines[-limit:]
    return begin + sum(map(len, lines[: len(lines) - len(kept)])), len(kept)


def _wanted(lines: list[tuple[int, str]], request: Input) -> list[tuple[int, str]]:
    after, before = request.get("startTime"), request.get("endTime")
    return [
        (stamp, text)
        for stamp, text in lines
        if (after is None or stamp >= after) and (before is None or stamp < before)
    ]


def _not_found(message: str) -> ServiceError:
    return ServiceError("ResourceNotFoundException", message)


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterException", message)
