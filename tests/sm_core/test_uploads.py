"""Uploads: in parallel, large files in parts, progress on a terminal only."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from botocore.config import Config

from sm_core.errors import InputError, RequestError
from sm_core.requests import RequestContext, framework_of_calls
from sm_core.session import Session
from sm_core.uploads import upload_tree, uploaded_uri

AddPlugin = Callable[..., ModuleType]
MEBIBYTE = 2**20


class Terminal(io.StringIO):
    """What rich takes for a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def bucket(session: Session) -> str:
    session.client("s3").create_bucket(Bucket="mine")
    return "mine"


def test_many_files(session: Session, bucket: str, tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number:02d}.txt").write_text(str(number))
    upload_tree(session.client("s3"), tmp_path, bucket=bucket, prefix="p")
    listed = session.client("s3").list_objects_v2(Bucket=bucket)["Contents"]
    assert [entry["Key"] for entry in listed] == [f"p/{number:02d}.txt" for number in range(30)]


NAMES = [
    *(" ", "a b", "a+b", "a%2Fb", "a?b#c", "a&b=c", "a'b\"c", "a\\b", "a<b>c", "a\tb", "a:b", "~"),
    *("...", "-x", "*", "\u00e4\u00f6", "\u65e5.csv", "e\u0301", "sub folder/\u00e9 1.txt"),
]


def test_names_of_any_characters_and_empty_files(
    session: Session, bucket: str, tmp_path: Path
) -> None:
    for name in NAMES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name if len(name) > 1 else "", encoding="utf-8")
    client = session.client("s3")
    upload_tree(client, tmp_path, bucket=bucket, prefix="p q/\u00e4")
    listed = client.list_objects_v2(Bucket=bucket)["Contents"]
    assert sorted(entry["Key"] for entry in listed) == sorted(
        f"p q/\u00e4/{name}" for name in NAMES
    )
    for name in NAMES:
        body = client.get_object(Bucket=bucket, Key=f"p q/\u00e4/{name}")["Body"].read()
        assert body == (tmp_path / name).read_bytes()


def test_a_name_that_can_be_no_key_is_named_before_anything_is_uploaded(
    session: Session, bucket: str, tmp_path: Path
) -> None:
    (tmp_path / "a").touch()
    broken = os.fsdecode(b"\xff.txt")
    (tmp_path / broken).touch()
    with pytest.raises(InputError, match=r"udcff\.txt'\) can be no key of S3: its name is not"):
        upload_tree(session.client("s3"), tmp_path, bucket=bucket, prefix="p")
    (tmp_path / broken).unlink()
    with pytest.raises(InputError, match=r"/a would have a key of 1027 bytes; S3 takes 1024"):
        upload_tree(session.client("s3"), tmp_path, bucket=bucket, prefix="p" * 1025)
    assert session.client("s3").list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_failed_upload_names_the_file(
    session: Session, bucket: str, tmp_path: Path, refuse: Callable[..., None]
) -> None:
    (tmp_path / "data.csv").write_text("x")
    client = session.client("s3")
    refuse(client, "PutObject", code="AccessDenied", message="No", status=403)
    text = (
        rf"uploading {tmp_path}/data\.csv to s3://mine/p/data\.csv: PutObject: No \(AccessDenied\)"
    )
    with pytest.raises(RequestError, match=text) as caught:
        upload_tree(client, tmp_path, bucket=bucket, prefix="p")
    assert caught.value.code == "AccessDenied"


def test_a_large_file_goes_in_parts_that_hooks_see_in_the_caller_s_context(
    session: Session, bucket: str, tmp_path: Path, add_plugin: AddPlugin
) -> None:
    seen: list[tuple[str, str | None]] = []

    def sm_request(context: RequestContext) -> None:
        seen.append((context.operation, context.framework))

    add_plugin(sm_request=sm_request)
    large = tmp_path / "large"
    large.write_bytes(bytes(17 * MEBIBYTE))
    with framework_of_calls("paper"):
        upload_tree(session.client("s3"), large, bucket=bucket, prefix="")
    assert {framework for _, framework in seen} == {"paper"}
    operations = [operation for operation, _ in seen]
    assert operations[0] == "CreateMultipartUpload"
    assert operations.count("UploadPart") == 3
    assert operations[-1] == "CompleteMultipartUpload"
    head = session.client("s3").head_object(Bucket=bucket, Key="large")
    assert head["ContentLength"] == 17 * MEBIBYTE


def test_a_back_end_says_from_which_size_on_files_go_in_parts(
    session: Session, bucket: str, tmp_path: Path
) -> None:
    seen: list[str] = []
    config = Config(s3={"multipart_threshold": 20 * MEBIBYTE})  # type: ignore[arg-type]  # a CLI's name
    client = session.boto_session.client("s3", config=config)
    client.meta.events.register("provide-client-params", lambda model, **_: seen.append(model.name))
    for size in (17, 20):
        large = tmp_path / "large"
        large.write_bytes(bytes(size * MEBIBYTE))
        upload_tree(client, large, bucket=bucket, prefix="")
    assert seen[:2] == ["PutObject", "CreateMultipartUpload"]


def test_an_upload_that_a_hook_refuses_stops(
    session: Session, bucket: str, tmp_path: Path, add_plugin: AddPlugin
) -> None:
    def sm_request(request: dict[str, str]) -> None:
        if request["Key"].endswith("7"):
            raise PermissionError("not this one")

    add_plugin(sm_request=sm_request)
    for number in range(10):
        (tmp_path / str(number)).write_text("x")
    with pytest.raises(PermissionError, match="not this one"):
        upload_tree(session.client("s3"), tmp_path, bucket=bucket, prefix="p")


def test_a_link_in_a_circle_is_named(session: Session, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "round").symlink_to(tmp_path)
    with pytest.raises(InputError, match="round is a link to a folder that contains it"):
        upload_tree(session.client("s3"), tmp_path, bucket=bucket, prefix="p")
    assert session.client("s3").list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_progress_is_drawn_on_a_terminal_only(
    session: Session,
    bucket: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    stream: type[io.StringIO],
) -> None:
    file = tmp_path / "[red]digits.csv"
    file.write_text("x" * 1000)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    shown = stream()
    monkeypatch.setattr(sys, "stderr", shown)
    upload_tree(session.client("s3"), file, bucket=bucket, prefix="p")
    assert ("uploading [red]digits.csv" in shown.getvalue()) == (stream is Terminal)
    assert capsys.readouterr().out == ""


def test_where_an_upload_goes(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    assert uploaded_uri(tmp_path, bucket="b", prefix="p/q") == "s3://b/p/q"
    assert uploaded_uri(tmp_path / "f", bucket="b", prefix="p/q") == "s3://b/p/q/f"
    assert uploaded_uri(tmp_path / "f", bucket="b", prefix="") == "s3://b/f"
