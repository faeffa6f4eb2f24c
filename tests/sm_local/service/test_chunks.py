"""Bodies in chunks: what a client of our own writes, AWS's example, and what is broken."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_local.service.chunks import ChunkSigner, Decoder
from sm_local.service.errors import ServiceError

#: AWS's example in "Signature calculations for the Authorization header: transferring payload in
#: multiple chunks": 66 560 letters, in chunks of 64 KiB.
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
DATE = "20130524T000000Z"
SCOPE = "20130524/us-east-1/s3/aws4_request"
SEED = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
SIGNATURES = [
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
]
CRLF = b"\r\n"


def key() -> bytes:
    derived = b"AWS4" + SECRET.encode()
    for part in SCOPE.split("/"):
        derived = hmac.digest(derived, part.encode(), "sha256")
    return derived


def signer() -> ChunkSigner:
    return ChunkSigner(key=key(), date=DATE, scope=SCOPE, last=SEED)


def decoded(
    body: bytes,
    *,
    size: int,
    signed: bool = False,
    announced: tuple[str, ...] = (),
    step: int = 7,
) -> tuple[bytes, dict[str, str]]:
    """(the bytes, the trailers) of a body that comes in pieces of `step` bytes."""
    trailers: dict[str, str] = {}

    async def stream() -> AsyncIterator[bytes]:
        for start in range(0, len(body), step):
            yield body[start : start + step]

    async def run() -> bytes:
        decoder = Decoder(
            stream(),
            size=size,
            signer=signer() if signed else None,
            announced=announced,
            trailers=trailers,
        )
        return b"".join([block async for block in decoder.blocks()])

    return asyncio.run(run()), trailers


def encoded(chunks: list[bytes], *, trailers: str = "") -> bytes:
    framed = [b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in [*chunks, b""]]
    framed[-1] = b"0\r\n"
    return b"".join(framed) + trailers.encode() + CRLF


def signed_body(chunks: list[bytes], signatures: list[str], trailers: str = "") -> bytes:
    framed = [
        b"%x;chunk-signature=%s\r\n%s" % (len(chunk), signature.encode(), chunk + CRLF)
        for chunk, signature in zip([*chunks, b""], signatures, strict=True)
    ]
    framed[-1] = framed[-1].removesuffix(CRLF)
    return b"".join(framed) + trailers.encode() + CRLF


def refusal(body: bytes, *, size: int, signed: bool = False, announced: str = "") -> str:
    with pytest.raises(ServiceError) as refused:
        decoded(body, size=size, signed=signed, announced=tuple(announced.split()), step=3)
    return refused.value.code


class TestSigned:
    LETTERS = (b"a" * 65_536, b"a" * 1024)

    @pytest.mark.parametrize("step", [1000, 65_536, 1 << 20])
    def test_awss_example(self, step: int) -> None:
        body = signed_body([*self.LETTERS], SIGNATURES)
        assert len(body) == 66_824
        found, trailers = decoded(body, size=66_560, signed=True, step=step)
        assert (found, trailers) == (b"a" * 66_560, {})

    @pytest.mark.parametrize("which", [0, 1, 2])
    def test_another_signature(self, which: int) -> None:
        signatures = [*SIGNATURES]
        signatures[which] = "0" * 64
        body = signed_body([*self.LETTERS], signatures)
        assert refusal(body, size=66_560, signed=True) == "SignatureDoesNotMatch"

    def test_another_byte_and_another_order(self) -> None:
        body = signed_body([b"b" + self.LETTERS[0][1:], self.LETTERS[1]], SIGNATURES)
        assert refusal(body, size=66_560, signed=True) == "SignatureDoesNotMatch"
        swapped = signed_body([*reversed(self.LETTERS)], [*SIGNATURES[1::-1], SIGNATURES[2]])
        assert refusal(swapped, size=66_560, signed=True) == "SignatureDoesNotMatch"

    def test_the_last_chunk_must_be_signed_too(self) -> None:
        last = SIGNATURES[2].encode()
        body = signed_body([*self.LETTERS], SIGNATURES).replace(b"0;chunk-signature=" + last, b"0")
        assert refusal(body, size=66_560, signed=True) == "InvalidRequest"

    def test_trailers_are_signed(self) -> None:
        chain = signer()
        signatures = [chain.chunk(hashlib.sha256(data).hexdigest()) for data in (b"data", b"")]
        trailing = chain.trailer("x-amz-checksum-crc32:rfPzYw==\n")
        line = "x-amz-checksum-crc32:rfPzYw==\r\n"
        name = "x-amz-checksum-crc32"

        def body(signature: str) -> bytes:
            lines = f"{line}x-amz-trailer-signature:{signature}\r\n"
            return signed_body([b"data"], signatures, lines)

        found = decoded(body(trailing), size=4, signed=True, announced=(name,))
        assert found == (b"data", {name: "rfPzYw=="})
        wrong = refusal(body("0" * 64), size=4, signed=True, announced=name)
        assert wrong == "SignatureDoesNotMatch"
        without = signed_body([b"data"], signatures, line)
        assert refusal(without, size=4, signed=True, announced=name) == "SignatureDoesNotMatch"


class TestUnsigned:
    @given(chunks=st.lists(st.binary(min_size=1, max_size=20), max_size=4), step=st.integers(1, 40))
    def test_any_chunks_in_any_pieces(self, chunks: list[bytes], step: int) -> None:
        whole = b"".join(chunks)
        body = encoded(chunks, trailers="x-a : b\r\n")
        found, trailers = decoded(body, size=len(whole), announced=("x-a",), step=step)
        assert (found, trailers) == (whole, {"x-a": "b"})

    @given(body=st.binary(max_size=60), size=st.integers(0, 20))
    def test_anything_else_is_refused_or_read(self, body: bytes, size: int) -> None:
        try:
            found, _ = decoded(body, size=size)
        except ServiceError as error:
            code = error.code
        else:
            assert len(found) == size
            return
        assert code in ("InvalidRequest", "IncompleteBody", "MalformedTrailerError")

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"", "IncompleteBody"),
            (b"4\r\nda", "IncompleteBody"),
            (b"4\r\ndata\r\n", "IncompleteBody"),
            (b"4\r\ndata\r\n0\r\n", "IncompleteBody"),
            (b"3\r\ndat\r\n0\r\n\r\n", "IncompleteBody"),
            (b"5\r\ndata!\r\n0\r\n\r\n", "IncompleteBody"),
            (b"ffffffffffffffff\r\ndata\r\n", "IncompleteBody"),
            (b"4\r\ndata0\r\n\r\n", "InvalidRequest"),
            (b"4\ndata\n0\n\n", "IncompleteBody"),
            (b"-4\r\ndata\r\n0\r\n\r\n", "InvalidRequest"),
            (b"0x4\r\ndata\r\n0\r\n\r\n", "InvalidRequest"),
            (b"+4\r\ndata\r\n0\r\n\r\n", "InvalidRequest"),
            (b" 4\r\ndata\r\n0\r\n\r\n", "InvalidRequest"),
            (b"4;x=y\r\ndata\r\n0\r\n\r\n", "InvalidRequest"),
            (b"4;chunk-signature=" + b"0" * 64 + b"\r\ndata\r\n0\r\n\r\n", "InvalidRequest"),
            (b"4\r\ndata\r\n0\r\n\r\nmore", "InvalidRequest"),
            (b"4" * 5000, "InvalidRequest"),
            (b"4\r\ndata\r\n0\r\nx-b:c\r\n\r\n", "MalformedTrailerError"),
            (b"4\r\ndata\r\n0\r\nnonsense\r\n\r\n", "MalformedTrailerError"),
        ],
    )
    def test_what_is_broken(self, body: bytes, code: str) -> None:
        assert refusal(body, size=4) == code

    @pytest.mark.parametrize("lines", ["", "x-a:b\r\nx-a:b\r\n", "x-a:b\r\nx-c:d\r\n"])
    def test_trailers_must_be_those_announced(self, lines: str) -> None:
        body = encoded([b"data"], trailers=lines)
        assert refusal(body, size=4, announced="x-a") == "MalformedTrailerError"
