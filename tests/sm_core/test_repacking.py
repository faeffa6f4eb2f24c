"""Models' archives with code in them."""

from __future__ import annotations

import io
import os
import re
import subprocess
import tarfile
import threading
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import IO, Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_core.errors import ArchiveError, ConfigurationError, RequestError, SourceError
from sm_core.frameworks import Framework
from sm_core.repacking import EntryPoint, repack
from sm_core.session import Session
from sm_core.settings import Network

AddPlugin = Callable[..., ModuleType]
Refuse = Callable[..., None]
LeftOver = Callable[[], list[str]]

ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
BUCKET, KEY = "models", "digits/model.tar.gz"
DATA = f"s3://{BUCKET}/{KEY}"
SCRIPT = EntryPoint("serve.py", "serve.py")
TEXT = "def model_fn(model_dir): ...\n"


def entry(name: str, content: bytes = b"", **attributes: Any) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for attribute, value in attributes.items():
        setattr(member, attribute, value)
    return member, content


def packed(*entries: tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", format=format) as tar:
        for member, content in entries:
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def told(archive: bytes) -> dict[str, tuple[Any, ...]]:
    """What an archive tells of its members; of a name that there is twice, of the last one."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {
            member.name: (
                member.type,
                member.mode,
                member.mtime,
                member.uid,
                member.uname,
                member.linkname,
                held.read() if (held := tar.extractfile(member)) and member.isreg() else b"",
            )
            for member in tar
        }


class OneWay(io.RawIOBase):
    """Bytes that are read once, and without going back, as those of a connection are."""

    def __init__(self, data: bytes) -> None:
        self._rest = memoryview(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = min(len(buffer), len(self._rest), 1000)
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def repacked(model: bytes, code: bytes, entry_point: EntryPoint = SCRIPT) -> bytes:
    target = io.BytesIO()
    streams = [io.BufferedReader(OneWay(data)) for data in (model, code)]
    repack(streams[0], streams[1], target, entry_point=entry_point, name="s3://b/model.tar.gz")
    return target.getvalue()


CODE = packed(entry("serve.py", TEXT.encode(), mode=0o755), entry("lib/text.py", b"A = 1\n"))


def test_the_model_stays_and_the_code_is_added() -> None:
    model = packed(
        entry("./model-symbol.json", b"{}", mode=0o600, mtime=1511778600, uid=7, uname="ann"),
        entry("deep", type=tarfile.DIRTYPE, mode=0o750),
        entry("deep/" + "a" * 200 + "/größe", os.urandom(70_000), mtime=1511778600.25),
        entry("link", type=tarfile.SYMTYPE, linkname="model-symbol.json"),
        entry("hard", type=tarfile.LNKTYPE, linkname="./model-symbol.json"),
        entry("empty"),
        entry("encode/serve.py", b"no code"),
    )
    result = told(repacked(model, CODE))
    added = {name: result.pop(name) for name in ("code/serve.py", "code/lib/text.py")}
    assert result == told(model)
    assert [each[-1] for each in added.values()] == [TEXT.encode(), b"A = 1\n"]
    assert added["code/serve.py"][1] == 0o755


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_code_that_was_there_is_replaced(format: int) -> None:
    model = packed(
        entry("code", type=tarfile.DIRTYPE),
        entry("./code/serve.py", b"old"),
        entry("code//old.py", b"old"),
        entry("model.params", b"weights"),
        format=format,
    )
    result = told(repacked(model, CODE))
    assert set(result) == {"model.params", "code/serve.py", "code/lib/text.py"}
    assert result["code/serve.py"][-1] == TEXT.encode()


def test_an_image_may_look_for_another_name() -> None:
    named = EntryPoint("serve.py", "inference.py")
    result = told(repacked(packed(), CODE, named))
    assert set(result) == {"code/inference.py", "code/lib/text.py"}
    linked = packed(
        entry("serve.py", b"y"),
        entry("other.py", type=tarfile.LNKTYPE, linkname="./serve.py"),
        entry("last.py", type=tarfile.LNKTYPE, linkname="other.py"),
    )
    result = told(repacked(packed(), linked, named))
    assert result["code/other.py"][-2:] == ("code/inference.py", b"")
    assert result["code/last.py"][-2] == "code/other.py"
    both = packed(entry("inference.py", b"x"), entry("serve.py", b"y"))
    with pytest.raises(SourceError, match=r"has a 'inference\.py' beside entry_point 'serve\.py'"):
        repacked(packed(), both, named)
    with pytest.raises(
        SourceError, match=r"'a\.py' is not in .* it holds: lib/text\.py, serve\.py"
    ):
        repacked(packed(), CODE, EntryPoint("a.py", "a.py"))


def test_holes_are_filled(tmp_path: Path) -> None:
    file = tmp_path / "sparse"
    with file.open("wb") as stream:
        stream.truncate(3_000_000)
        stream.seek(1_000_000)
        stream.write(b"in the middle")
    for format in ("gnu", "posix"):
        done = subprocess.run(
            ["tar", "-cSzf", "-", f"--format={format}", "sparse"],
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )
        assert len(done.stdout) < 1000
        result = told(repacked(done.stdout, CODE))
        assert result["sparse"][-1] == file.read_bytes()


def test_what_cannot_be_taken_over_is_named() -> None:
    linked = packed(entry("code/a", b"x"), entry("b", type=tarfile.LNKTYPE, linkname="./code/a"))
    with pytest.raises(ArchiveError, match=r"s3://b/model\.tar\.gz: 'b' is a hard link to"):
        repacked(linked, CODE)
    for name in ("../serve.py", "/serve.py", "lib/../../x"):
        with pytest.raises(ArchiveError, match="would leave its folder"):
            repacked(packed(), packed(entry(name, b"x")))


@pytest.mark.parametrize("size", [0, 20, 5000, -1])
def test_damage_is_noticed(size: int) -> None:
    whole = packed(entry("model.params", os.urandom(10_000)), entry("b", os.urandom(10_000)))
    with pytest.raises(ArchiveError, match=r"s3://b/model\.tar\.gz is damaged or no tar\.gz"):
        repacked(whole[:size], CODE)
    with pytest.raises(ArchiveError, match="the archive of the code is damaged or no tar"):
        repacked(whole, CODE[: len(CODE) - 9])
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as plain:
        plain.addfile(*entry("a", b""))  # type: ignore[arg-type]  # no content to be read
    with pytest.raises(ArchiveError, match="no tar"):
        repacked(tar.getvalue(), CODE)


class Nowhere(io.RawIOBase):
    """Takes anything, keeps nothing."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return len(data)


def test_memory_does_not_grow_with_the_model(tmp_path: Path) -> None:
    big = tmp_path / "big.tar.gz"
    with tarfile.open(big, "w:gz", compresslevel=1) as tar, open("/dev/zero", "rb") as zeros:
        member, _ = entry("model.params")
        member.size = 100 * 2**20
        tar.addfile(member, zeros)
    tracemalloc.start()
    with big.open("rb") as model, io.BufferedWriter(Nowhere()) as target:
        repack(model, io.BytesIO(CODE), target, entry_point=SCRIPT, name="big")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * 2**20


names = st.from_regex(r"[a-zé.]{1,3}(/[a-zé. ]{1,120})?", fullmatch=True).filter(
    lambda name: "." not in name.split("/") and ".." not in name.split("/")
)


@given(
    files=st.dictionaries(names, st.binary(max_size=2000), max_size=6),
    mtime=st.integers(0, 2**40) | st.floats(0, 2**33),
    format=st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
)
def test_any_model_stays_what_it_was(files: dict[str, bytes], mtime: float, format: int) -> None:
    model = packed(
        *(entry(name, content, mtime=mtime) for name, content in files.items()), format=format
    )
    result = told(repacked(model, CODE))
    kept = {name: value for name, value in told(model).items() if not re.match("code(/|$)", name)}
    assert {name: result[name] for name in kept} == kept
    assert len(result) == len(kept) + 2


@given(st.binary(max_size=3000))
def test_any_bytes_are_repacked_or_refused(data: bytes) -> None:
    with pytest.raises(ArchiveError):
        repacked(data, CODE)


# With S3


@pytest.fixture
def model_in_s3(session: Session) -> bytes:
    client = session.client("s3")
    client.create_bucket(Bucket=BUCKET)
    archive = packed(entry("model.params", os.urandom(100_000)))
    client.put_object(Bucket=BUCKET, Key=KEY, Body=archive)
    return archive


@pytest.fixture
def serve(tmp_path: Path) -> str:
    path = tmp_path / "serve.py"
    path.write_text(TEXT, encoding="utf-8")
    return str(path)


def paper_model(paper: Framework, session: Session, script: str, **options: Any) -> Any:
    given = {"framework_version": "3.0", "name": "digits", "entry_point": script, **options}
    return paper.model_class()(DATA, ROLE, sagemaker_session=session, **given)


def content(session: Session, uri: str) -> bytes:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    data: bytes = session.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return data


def keys(session: Session) -> list[str]:
    client = session.client("s3")
    return [
        f"{bucket['Name']}/{each['Key']}"
        for bucket in client.list_buckets()["Buckets"]
        for each in client.list_objects_v2(Bucket=bucket["Name"]).get("Contents", ())
    ]


def test_the_container_gets_a_copy_with_the_code(
    session: Session, paper: Framework, serve: str, model_in_s3: bytes
) -> None:
    model = paper_model(paper, session, serve, code_location="code")
    shown = model.model_request("quick")["PrimaryContainer"]
    assert keys(session) == [f"{BUCKET}/{KEY}"]
    model.deploy(instance_type="quick")
    sent = session.sagemaker_client.describe_model(ModelName="digits")["PrimaryContainer"]
    assert sent["ModelDataUrl"] == shown["ModelDataUrl"] != DATA
    assert sent["Environment"] == shown["Environment"]
    assert sent["Environment"]["SAGEMAKER_PROGRAM"] == "serve.py"
    assert sent["Environment"]["SAGEMAKER_SUBMIT_DIRECTORY"] == "/opt/ml/model/code"
    copy = content(session, sent["ModelDataUrl"])
    assert {*told(model_in_s3), "code/serve.py"} == set(told(copy))
    assert content(session, DATA) == model_in_s3
    uri = sent["ModelDataUrl"].removeprefix("s3://")
    assert re.fullmatch(r"code/[0-9a-f]{64}/model\.tar\.gz", uri)
    assert sorted(keys(session)) == [uri, f"{BUCKET}/{KEY}"]
    # The same again is the same bytes under the same name; other code has another one.
    paper_model(paper, session, serve, name="again", code_location="code").deploy(1, "quick")
    assert content(session, sent["ModelDataUrl"]) == copy
    assert len(keys(session)) == 2
    Path(serve).write_text("changed = True\n", encoding="utf-8")
    other = paper_model(paper, session, serve, code_location="code").model_request("quick")
    assert other["PrimaryContainer"]["ModelDataUrl"] != sent["ModelDataUrl"]


@pytest.mark.parametrize(
    ("options", "in_model"),
    [
        ({"framework_version": "2.9"}, False),
        ({"framework_version": None}, False),
        ({"framework_version": "3.0"}, True),
        ({"framework_version": "10.0"}, True),
        ({"image": "registry.example/own:1"}, False),
        ({"image": "eu.example/paper-inference:3.1-gpu"}, True),
    ],
)
def test_the_image_decides(
    session: Session, paper: Framework, serve: str, options: dict[str, Any], in_model: bool
) -> None:
    model = paper_model(paper, session, serve, code_location="code", **options)
    container = model.model_request("ml.c5.xlarge")["PrimaryContainer"]
    assert (container["ModelDataUrl"] != DATA) == in_model
    place = container["Environment"]["SAGEMAKER_SUBMIT_DIRECTORY"]
    assert place == "/opt/ml/model/code" if in_model else place.startswith("s3://code/")


def test_without_a_script_nothing_is_repacked(session: Session, paper: Framework) -> None:
    model = paper.model_class()(DATA, ROLE, framework_version="3.0", sagemaker_session=session)
    container = model.model_request("quick")["PrimaryContainer"]
    assert container["ModelDataUrl"] == DATA
    assert "SAGEMAKER_SUBMIT_DIRECTORY" not in container["Environment"]


def test_code_that_is_in_s3_already(session: Session, paper: Framework, model_in_s3: bytes) -> None:
    session.client("s3").put_object(Bucket=BUCKET, Key="code.tar.gz", Body=CODE)
    model = paper_model(
        paper, session, "serve.py", source_dir=f"s3://{BUCKET}/code.tar.gz", code_location="code"
    )
    model.deploy(instance_type="quick")
    sent = session.sagemaker_client.describe_model(ModelName="digits")["PrimaryContainer"]
    copy = told(content(session, sent["ModelDataUrl"]))
    assert set(copy) == {"model.params", "code/serve.py", "code/lib/text.py"}


@pytest.mark.usefixtures("model_in_s3")
def test_without_a_network_the_code_is_in_the_model(
    session: Session, paper: Framework, serve: str
) -> None:
    isolated = Network(isolation=True)
    newer = paper_model(paper, session, serve, network=isolated, code_location="code")
    assert newer.model_request("quick")["EnableNetworkIsolation"] is True
    older = paper_model(paper, session, serve, network=isolated, framework_version="2.0")
    own = paper_model(paper, session, serve, network=isolated, image="registry.example/own:1")
    for model in (older, own):
        with pytest.raises(ConfigurationError, match="the container cannot fetch the script: put"):
            model.model_request("ml.c5.xlarge")


def test_what_policies_refuse_leaves_nothing(
    session: Session,
    paper: Framework,
    serve: str,
    model_in_s3: bytes,
    add_plugin: AddPlugin,
    left_over: LeftOver,
) -> None:
    def sm_check_request(context: Any, request: dict[str, Any]) -> None:
        if context.operation == "CreateModel":
            raise PermissionError(f"no models of {request['PrimaryContainer']['ModelDataUrl']}")

    add_plugin(sm_check_request=sm_check_request)
    with pytest.raises(PermissionError, match="no models of s3://code/"):
        paper_model(paper, session, serve, code_location="code").deploy(instance_type="quick")
    assert keys(session) == [f"{BUCKET}/{KEY}"]
    assert [each["Name"] for each in session.client("s3").list_buckets()["Buckets"]] == [BUCKET]
    assert left_over() == []


def copy_of(session: Session, model: Any) -> str:
    uri: str = model.model_request("quick")["PrimaryContainer"]["ModelDataUrl"]
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    session.client("s3").create_bucket(Bucket=bucket)
    session.client("s3").put_object(Bucket=bucket, Key=key, Body=b"of an earlier deployment")
    return uri


@pytest.mark.parametrize("damage", ["cut off", "absent"])
def test_a_damaged_model_leaves_what_was_there(
    session: Session,
    paper: Framework,
    serve: str,
    model_in_s3: bytes,
    left_over: LeftOver,
    damage: str,
) -> None:
    model = paper_model(paper, session, serve, code_location="code")
    copy = copy_of(session, model)
    if damage == "absent":
        session.client("s3").delete_object(Bucket=BUCKET, Key=KEY)
        with pytest.raises(RequestError, match=rf"reading {DATA}: .*NoSuchKey"):
            model.deploy(instance_type="quick")
    else:
        session.client("s3").put_object(Bucket=BUCKET, Key=KEY, Body=model_in_s3[:-2000])
        with pytest.raises(ArchiveError, match=rf"{DATA} is damaged or no tar\.gz archive"):
            model.deploy(instance_type="quick")
    assert content(session, copy) == b"of an earlier deployment"
    assert left_over() == []


@pytest.mark.parametrize("operation", ["PutObject", "CreateMultipartUpload", "UploadPart"])
@pytest.mark.usefixtures("model_in_s3")
def test_an_upload_that_is_refused_leaves_what_was_there(
    session: Session, paper: Framework, serve: str, refuse: Refuse, operation: str
) -> None:
    client = session.client("s3")
    if operation != "PutObject":
        archive = packed(entry("big", os.urandom(18 * 2**20)))
        client.put_object(Bucket=BUCKET, Key=KEY, Body=archive)
    model = paper_model(paper, session, serve, code_location="code")
    copy = copy_of(session, model)
    refuse(client, operation, code="AccessDenied", message="not yours", status=403)
    with pytest.raises(RequestError, match=r"uploading to s3://code/.*not yours"):
        model.deploy(instance_type="quick")
    assert content(session, copy) == b"of an earlier deployment"
    assert client.list_multipart_uploads(Bucket="code").get("Uploads", []) == []


class Broken:
    """A body whose connection breaks after some bytes."""

    def __init__(self, body: IO[bytes], size: int) -> None:
        self._body = body
        self._left = size

    def read(self, size: int) -> bytes:
        if not self._left:
            raise ConnectionResetError("reset by peer")
        piece = self._body.read(min(size, self._left))
        self._left -= len(piece)
        return piece

    def close(self) -> None:
        self._body.close()


def breaking(session: Session, sizes: Iterable[int]) -> list[dict[str, Any]]:
    """Let connections of GetObject break, one after the other; the requests that were made."""
    left, asked = list(sizes), []

    def shorten(parsed: dict[str, Any], **_: Any) -> None:
        if left:
            parsed["Body"] = Broken(parsed["Body"], left.pop(0))

    def note(params: dict[str, Any], **_: Any) -> None:
        asked.append(params)

    events = session.client("s3").meta.events
    events.register("after-call.s3.GetObject", shorten)
    events.register("provide-client-params.s3.GetObject", note)
    return asked


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sm_core.downloads._PAUSE", 0)


@pytest.mark.usefixtures("no_pauses")
def test_reading_goes_on_where_a_connection_broke(
    session: Session, paper: Framework, serve: str, model_in_s3: bytes
) -> None:
    asked = breaking(session, [40_000, 0, 1000])
    model = paper_model(paper, session, serve, code_location="code")
    model.deploy(instance_type="quick")
    assert [each.get("Range") for each in asked] == [
        None, "bytes=40000-", "bytes=40000-", "bytes=41000-"
    ]  # fmt: skip
    sent = session.sagemaker_client.describe_model(ModelName="digits")["PrimaryContainer"]
    result = told(content(session, sent["ModelDataUrl"]))
    assert result["model.params"] == told(model_in_s3)["model.params"]


@pytest.mark.usefixtures("no_pauses")
def test_nothing_is_asked_for_once_all_is_read(
    session: Session, paper: Framework, serve: str, model_in_s3: bytes
) -> None:
    asked = breaking(session, [len(model_in_s3)])
    paper_model(paper, session, serve, code_location="code").deploy(instance_type="quick")
    assert [each.get("Range") for each in asked] == [None]


@pytest.mark.usefixtures("model_in_s3", "no_pauses")
def test_a_connection_that_breaks_for_ever_is_given_up(
    session: Session, paper: Framework, serve: str
) -> None:
    breaking(session, [40_000, *[0] * 9])
    with pytest.raises(RequestError, match=r"broke 5 times after 40,000 of .* reset by peer"):
        paper_model(paper, session, serve, code_location="code").deploy(instance_type="quick")
    assert keys(session) == [f"{BUCKET}/{KEY}"]


@pytest.mark.usefixtures("model_in_s3", "no_pauses")
def test_a_model_that_changes_meanwhile_is_not_mixed(
    session: Session, paper: Framework, serve: str
) -> None:
    breaking(session, [40_000])
    client = session.client("s3")

    def change(**_: Any) -> None:
        client.meta.events.unregister("before-call.s3.GetObject", change)
        client.meta.events.register("before-call.s3.GetObject", replace)

    def replace(**_: Any) -> None:
        client.meta.events.unregister("before-call.s3.GetObject", replace)
        client.put_object(Bucket=BUCKET, Key=KEY, Body=packed(entry("other", os.urandom(90_000))))

    client.meta.events.register("before-call.s3.GetObject", change)
    with pytest.raises(RequestError, match="PreconditionFailed"):
        paper_model(paper, session, serve, code_location="code").deploy(instance_type="quick")
    assert keys(session) == [f"{BUCKET}/{KEY}"]


def test_no_thread_is_left(
    session: Session, paper: Framework, serve: str, model_in_s3: bytes
) -> None:
    paper_model(paper, session, serve, code_location="code").deploy(instance_type="quick")
    names = {thread.name for thread in threading.enumerate()}
    assert not {name for name in names if "InCallersContext" in name}


def test_showing_calls_nothing(paper: Framework, serve: str, offline: None) -> None:
    session = Session(boto3.Session(region_name="us-east-1"))
    model = paper_model(paper, session, serve)
    container = model.model_request("ml.c5.xlarge")["PrimaryContainer"]
    assert container["ModelDataUrl"].startswith("s3://sagemaker-us-east-1-123456789012/code/")
    assert model.endpoint_request(1, "ml.c5.xlarge")
