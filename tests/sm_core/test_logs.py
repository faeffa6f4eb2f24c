"""Log lines from CloudWatch Logs, and how a waiting user sees them."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from sm_core.errors import RequestError
from sm_core.logs import ENDPOINT_GROUP, TRAINING_GROUP, LogLine, LogTail, WaitView
from sm_core.session import Session

WriteLog = Callable[..., None]
Refuse = Callable[..., None]


def tail(session: Session, group: str = TRAINING_GROUP, prefix: str = "job/") -> LogTail:
    return LogTail(session.client("logs"), group, prefix)


def seen(log: LogTail) -> list[tuple[str, str]]:
    return [(line.source, line.text) for page in log.pages() for line in page]


def test_a_group_that_is_not_there_yet_has_no_lines(session: Session) -> None:
    assert seen(tail(session)) == []


def test_lines_come_once_and_in_order(session: Session, write_log: WriteLog) -> None:
    log = tail(session)
    write_log(TRAINING_GROUP, "job/algo-1-1511395200", "one", "two\n")
    assert seen(log) == [("algo-1", "one"), ("algo-1", "two")]
    assert seen(log) == []
    write_log(TRAINING_GROUP, "job/algo-1-1511395200", "three")
    write_log(TRAINING_GROUP, "job/algo-2-1511395201", "four")
    assert seen(log) == [("algo-1", "three"), ("algo-2", "four")]


def test_other_jobs_lines_are_not_shown(session: Session, write_log: WriteLog) -> None:
    write_log(TRAINING_GROUP, "job-2/algo-1-1511395200", "theirs")
    write_log(TRAINING_GROUP, "job/algo-1-1511395200", "ours")
    assert seen(tail(session)) == [("algo-1", "ours")]


@pytest.fixture
def _small_pages(session: Session) -> None:
    """Ten lines in each page."""

    def small(params: dict[str, int], **_: object) -> dict[str, int]:
        return {"limit": 10, **params}

    events = session.client("logs").meta.events
    events.register_first("provide-client-params.logs.GetLogEvents", small)


def numbers(*ends: int) -> list[str]:
    return [str(number) for number in range(*ends)]


@pytest.mark.usefixtures("_small_pages")
def test_long_logs_come_in_pieces_that_leave_time_for_all_else(
    session: Session, write_log: WriteLog
) -> None:
    log = tail(session)
    write_log(TRAINING_GROUP, "job/algo-1", *numbers(45))
    write_log(TRAINING_GROUP, "job/algo-2", "other")
    assert [text for _, text in seen(log)] == [*numbers(20), "other"]
    assert [text for _, text in seen(log)] == numbers(20, 40)
    assert [text for _, text in seen(log)] == numbers(40, 45)


@pytest.mark.usefixtures("_small_pages")
@pytest.mark.parametrize("count", [195, 200, 201, 250])
def test_at_the_end_all_is_read(session: Session, write_log: WriteLog, count: int) -> None:
    write_log(TRAINING_GROUP, "job/algo-1", *numbers(count))
    notices: list[str] = []
    pages = tail(session).rest(notices.append)
    assert [line.text for page in pages for line in page] == numbers(count)
    assert notices == []


@pytest.mark.usefixtures("_small_pages")
def test_of_far_too_much_at_the_end_the_last_lines_are_read(
    session: Session, write_log: WriteLog
) -> None:
    stream = "job/algo-1-1511395200"
    write_log(TRAINING_GROUP, stream, *numbers(5000))
    notices: list[str] = []
    texts = [line.text for page in tail(session).rest(notices.append) for line in page]
    assert texts == [*numbers(200), *numbers(4900, 5000)]
    (notice,) = notices
    assert notice == (
        "algo-1: here log lines are left out; all of them are in CloudWatch Logs, group "
        f"'{TRAINING_GROUP}', stream '{stream}' (session.client('logs').get_log_events)"
    )


def test_the_last_lines_of_all_streams_are_in_order_of_time(
    session: Session, write_log: WriteLog
) -> None:
    write_log(TRAINING_GROUP, "job/algo-1", "one", "two")
    write_log(TRAINING_GROUP, "job/algo-2", "three")
    write_log(TRAINING_GROUP, "job/algo-1", "four")
    assert [line.text for line in tail(session).last_lines(3)] == ["two", "three", "four"]


def test_what_would_steer_a_terminal_is_not_in_a_line(
    session: Session, write_log: WriteLog
) -> None:
    write_log(TRAINING_GROUP, "job/algo-1", "\x1b[2J\x1b[31mred\x1b[0m\tand\x07 50%\r100%\r\n")
    assert seen(tail(session)) == [("algo-1", "red\tand 50% 100%")]


@pytest.mark.parametrize(
    ("stream", "source"),
    [
        ("algo-1-1511395200", "algo-1"),
        ("algo-12-1700000000", "algo-12"),
        # A local job's streams may have no time; a host's number may be long.
        ("algo-1", "algo-1"),
        ("algo-1000", "algo-1000"),
        ("algo-1000-1511395200", "algo-1000"),
        ("i-0abcdef-1511395200", "i-0abcdef"),
    ],
)
def test_a_job_s_line_names_its_host(
    session: Session, write_log: WriteLog, stream: str, source: str
) -> None:
    write_log(TRAINING_GROUP, f"job/{stream}", "line")
    assert seen(tail(session)) == [(source, "line")]


@pytest.mark.parametrize("stream", ["AllTraffic/i-0f00ba4", "AllTraffic/i-0123456789", "A/i-1/c"])
def test_an_endpoint_s_line_names_variant_and_instance(
    session: Session, write_log: WriteLog, stream: str
) -> None:
    group = f"{ENDPOINT_GROUP}endpoint"
    write_log(group, stream, "line")
    assert seen(tail(session, group, "")) == [(stream, "line")]


def test_lines_that_may_not_be_read_are_a_request_error(session: Session, refuse: Refuse) -> None:
    refuse(session.client("logs"), "DescribeLogStreams", code="AccessDeniedException", message="no")
    with pytest.raises(RequestError, match="DescribeLogStreams: no"):
        seen(tail(session))


# What a user sees


class Terminal(io.StringIO):
    """What rich takes for a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def _xterm(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def test_lines_go_to_a_file_as_they_are() -> None:
    shown = io.StringIO()
    with WaitView("training job", stream=shown) as view:
        view.step("Starting")
        view.lines([LogLine("algo-1", "[red]not markup[/red] " + "x" * 200, 0)])
    assert shown.getvalue() == f"Starting\nalgo-1 | [red]not markup[/red] {'x' * 200}\n"


def test_a_stream_that_lacks_a_character_gets_it_as_an_escape() -> None:
    file = io.BytesIO()
    shown = io.TextIOWrapper(file, encoding="ascii")
    with WaitView("training job", stream=shown) as view:
        view.step("Training")
        view.lines([LogLine("algo-1", "5 \N{DEGREE SIGN}C \udcff", 0)])
    assert file.getvalue() == b"Training\nalgo-1 | 5 \\xb0C \\udcff\n"


def test_standard_output_is_where_a_user_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with WaitView("training job") as view:
        view.step("Starting")
    assert capsys.readouterr() == ("Starting\n", "")


def test_quiet_shows_nothing_but_notices() -> None:
    shown = io.StringIO()
    with WaitView("training job", quiet=True, stream=shown) as view:
        view.step("Starting")
        view.lines([LogLine("algo-1", "line", 0)])
        view.notice("It goes on.")
        view.step("Training")
    assert shown.getvalue() == "It goes on.\n"


@pytest.mark.usefixtures("_xterm")
def test_hosts_have_colours_on_a_terminal() -> None:
    shown = Terminal()
    with WaitView("training job", stream=shown) as view:
        for source in ("algo-1", "algo-2", "algo-1"):
            view.lines([LogLine(source, "line", 0)])
    lines = [line for line in shown.getvalue().splitlines() if "| " in line]
    prefixes = [line[: line.index("| ")] for line in lines]
    assert prefixes[0].endswith("algo-1 ")
    assert prefixes[1].endswith("algo-2 ")
    assert prefixes[2].replace("\x1b[2K", "")[-12:] == prefixes[0][-12:]
    assert prefixes[0][-12:-7] != prefixes[1][-12:-7]


@pytest.mark.usefixtures("_xterm")
def test_lines_are_neither_markup_nor_wrapped_on_a_terminal() -> None:
    shown = Terminal()
    with WaitView("training [job]", stream=shown) as view:
        view.lines([LogLine("algo-1", "[red]not markup[/red] " + "x" * 200, 0)])
        view.step("[bold]")
    assert "[red]not markup[/red] " + "x" * 200 + "\n" in shown.getvalue()
    assert "[bold]" in shown.getvalue()


@pytest.mark.usefixtures("_xterm")
def test_many_lines_are_written_at_once_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    printed: list[object] = []
    with WaitView("job", stream=Terminal()) as view:
        monkeypatch.setattr(Console, "print", lambda *args, **_: printed.append(args))
        view.lines([LogLine("algo-1", "line", 0)] * 1000)
        assert len(printed) == 1


@pytest.mark.usefixtures("_xterm")
def test_a_clock_runs_on_a_terminal_and_is_gone_at_the_end() -> None:
    shown = Terminal()
    with WaitView("endpoint e", stream=shown) as view:
        view.step("Endpoint e: Creating")
    text = shown.getvalue()
    assert "endpoint e" in text
    assert text.endswith("\x1b[?25h") or "\x1b[?25h" in text  # the cursor is there again
