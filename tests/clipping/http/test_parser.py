"""What the parser refuses early."""

from __future__ import annotations

import pytest
from waitress.adjustments import Adjustments

from clipping.errors import RequestError, Unauthorized
from clipping.http.parser import MAX_FRAMING_BYTES, MAX_LINE_BYTES, RequestParser

CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def parsed(data: bytes, *, piece: int = 65_536, error: RequestError | None = None) -> RequestParser:
    parser = RequestParser(Adjustments(max_request_body_size=1_000_000), lambda _: error)
    while data and not parser.completed:
        taken = parser.received(data[:piece])
        data = data[taken:]
    return parser


def refusal(parser: RequestParser) -> tuple[int, str] | None:
    return (parser.error.code, parser.error.body) if parser.error is not None else None


@pytest.mark.parametrize(
    ("version", "headers", "reason"),
    [
        (b"1.1", [b"Transfer-Encoding: chunked", b"Content-Length: 5"], "not both"),
        (b"1.1", [b"Content-Length: 5", b"Transfer-Encoding: chunked"], "not both"),
        (b"1.1", [b"Content-Length: 5", b"transfer-encoding:"], "not both"),
        (b"1.1", [b"transfer-encoding:"], "must be chunked"),
        (b"1.1", [b"Transfer-Encoding:\tchunked, chunked"], "must be chunked, once"),
        (b"1.1", [b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"], "must be chunked, once"),
        (b"1.1", [b"Transfer-Encoding:\r\n chunked"], "must be chunked, once"),
        (b"1.0", [b"Transfer-Encoding: chunked"], "needs HTTP/1.1"),
        (b"1.0", [b"Transfer-Encoding: identity", b"Content-Length: 5"], "needs HTTP/1.1"),
        (b"1.1", [b"Content-Length: 5", b"Content-Length: 5"], "Content-Length is invalid"),
        (b"1.1", [b"Transfer-Encoding : chunked"], "Invalid header"),
    ],
)
def test_a_body_of_two_lengths_is_refused(version: bytes, headers: list[bytes], reason: str) -> None:
    head = b"\r\n".join([b"POST / HTTP/" + version, b"Host: x", *headers, b"", b""])
    found = refusal(parsed(head + b"5\r\nhello\r\n0\r\n\r\n"))
    assert found is not None
    assert found[0] == 400
    assert reason in found[1]


@pytest.mark.parametrize("name", [b"Transfer-Encoding: chunked", b"TRANSFER-ENCODING:CHUNKED  "])
@pytest.mark.parametrize("piece", [1, 7, 65_536])
def test_a_chunked_body_is_read(name: bytes, piece: int) -> None:
    body = b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: x\r\n\r\n"
    parser = parsed(b"POST / HTTP/1.1\r\nHost: x\r\n" + name + b"\r\n\r\n" + body, piece=piece)
    assert refusal(parser) is None
    assert parser.completed
    assert parser.get_body_stream().read() == b"hello world"


def test_a_folded_header_is_no_transfer_encoding() -> None:
    parser = parsed(b"POST / HTTP/1.1\r\nX: a\r\n transfer-encoding: b\r\nContent-Length: 2\r\n\r\nok")
    assert refusal(parser) is None
    assert parser.get_body_stream().read() == b"ok"


@pytest.mark.parametrize("piece", [1000, 4096, 65_536])
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"1;" + b"a" * 3 * MAX_LINE_BYTES, "size line is too long"),
        (b"1" * 3 * MAX_LINE_BYTES, "size line is too long"),
        (b"0\r\nX: " + b"a" * 3 * MAX_LINE_BYTES, "trailer is too long"),
        (b"1\r\n \r\n" * (MAX_FRAMING_BYTES // 2), "chunks are too small"),
    ],
)
def test_framing_without_an_end_is_refused(body: bytes, reason: str, piece: int) -> None:
    found = refusal(parsed(CHUNKED + body, piece=piece))
    assert found is not None
    assert found[0] == 400
    assert reason in found[1]


def test_small_chunks_of_a_small_body_are_read() -> None:
    parser = parsed(CHUNKED + b"1\r\n \r\n" * 2000 + b"0\r\n\r\n")
    assert refusal(parser) is None
    assert len(parser.get_body_stream().read()) == 2000


def test_large_chunks_are_read() -> None:
    chunk = b"%x\r\n%b\r\n" % (9000, b"x" * 9000)
    parser = parsed(CHUNKED + chunk * 100 + b"0\r\n\r\n", piece=10_007)
    assert refusal(parser) is None
    assert len(parser.get_body_stream().read()) == 900_000
    parser.close()


@pytest.mark.parametrize("expect", [b"", b"Expect: 100-continue\r\n"])
def test_a_request_may_be_refused_by_its_head_alone(expect: bytes) -> None:
    head = b"POST /a HTTP/1.1\r\nHost: x\r\n" + expect + b"Content-Length: 900000\r\n\r\n"
    parser = parsed(head, error=Unauthorized("no key"))
    assert parser.completed
    assert refusal(parser) == (401, "no key")
    assert not parser.expect_continue  # the client is not asked for the body


def test_a_chunked_body_above_its_own_limit_is_refused() -> None:
    def check(head: RequestParser) -> None:
        head.max_body_bytes = 10_000

    parser = RequestParser(Adjustments(max_request_body_size=1_000_000), check)
    data = CHUNKED + b"%x\r\n%b\r\n" % (50_000, b"x" * 50_000)
    while data and not parser.completed:
        data = data[parser.received(data[:4096]) :]
    assert refusal(parser) == (413, "the body must be at most 10000 bytes long")


def test_bytes_after_a_request_are_kept() -> None:
    parser = parsed(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\n")
    assert parser.path == "/a"
    assert parser.take_surplus() == b"GET /b HTTP/1.1\r\n"
    assert parser.take_surplus() == b""
