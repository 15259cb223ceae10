"""HTTP/1.1 heads: what is read, and what is refused because two readers could take it for different requests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.http1 import MAX_HEAD, BadRequest, Head, answer, read_head

POST = b"POST /judge?timeout=3s HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n"


def head(received: bytes) -> Head | None:
    return read_head(received, max_body=1000)


def test_a_head_is_read_without_its_body() -> None:
    assert head(POST + b"abc") == Head(
        method="POST",
        target="/judge?timeout=3s",
        fields={"host": "h", "content-length": "3"},
        length=3,
        size=len(POST),
        keeps_alive=True,
        expects_continue=False,
    )


@given(st.integers(min_value=0, max_value=len(POST) - 1))
def test_of_an_unfinished_head_nothing_is_read(length: int) -> None:
    assert head(POST[:length]) is None


def with_field(field: bytes) -> bytes:
    return b"GET / HTTP/1.1\r\nHost: h\r\n" + field + b"\r\n\r\n"


REFUSED = [
    ("no request line", b"\r\n\r\n", "400"),
    ("TLS on the plain port", b"\x16\x03\x01\x02\x00\r\n\r\n", "400"),
    ("an unknown version", b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", "400"),
    ("a blank in the target", b"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", "400"),
    ("a proxy's target", b"GET http://x/ HTTP/1.1\r\nHost: h\r\n\r\n", "400"),
    ("no host", b"GET / HTTP/1.1\r\n\r\n", "400"),
    ("two hosts", with_field(b"Host: i"), "400"),
    ("a blank before the colon", with_field(b"Content-Length : 3"), "400"),
    ("a folded field", with_field(b"A: b\r\n c"), "400"),
    ("a bare line feed", with_field(b"A: b\nContent-Length: 3"), "400"),
    ("a bare carriage return", with_field(b"A: b\rContent-Length: 3"), "400"),
    ("a zero byte", with_field(b"A: \x00"), "400"),
    ("no colon", with_field(b"A"), "400"),
    ("two lengths", with_field(b"Content-Length: 3\r\nContent-Length: 3"), "400"),
    ("a list of lengths", with_field(b"Content-Length: 3, 3"), "400"),
    ("a signed length", with_field(b"Content-Length: +3"), "400"),
    ("digits of another script", with_field("Content-Length: \u0663".encode()), "400"),
    ("a negative length", with_field(b"Content-Length: -3"), "400"),
    ("a length of very many digits", with_field(b"Content-Length: " + b"0" * 5000), "400"),
    ("a long body", with_field(b"Content-Length: 1001"), "413"),
    ("a chunked body", with_field(b"Transfer-Encoding: chunked"), "411"),
    ("a chunked body with a length", with_field(b"Transfer-Encoding: chunked\r\nContent-Length: 3"), "411"),
    ("an unknown coding", with_field(b"Transfer-Encoding: x"), "411"),
    ("an unknown expectation", with_field(b"Expect: wonders"), "417"),
    ("too many fields", with_field(b"\r\n".join(b"A: b" for _ in range(64))), "431"),
    ("a head without end", b"GET / HTTP/1.1\r\nA: " + b"b" * MAX_HEAD, "431"),
]


@pytest.mark.parametrize(("received", "status"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_a_head_is_refused(received: bytes, status: str) -> None:
    with pytest.raises(BadRequest) as refused:
        head(received)
    assert refused.value.status.startswith(status)


TAKEN = [
    ("a body of the greatest length", with_field(b"Content-Length: 1000"), True, False),
    ("the client leaves", with_field(b"Connection: keep-alive, Close"), False, False),
    ("HTTP/1.0 leaves", b"GET / HTTP/1.0\r\n\r\n", False, False),
    ("an expectation", with_field(b"Expect: 100-Continue"), True, True),
    ("an expectation of HTTP/1.0 is ignored", b"GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", False, False),
    ("blanks around a value", with_field(b"A: \t b \t"), True, False),
    ("a value in latin-1", with_field(b"A: \xff"), True, False),
]


@pytest.mark.parametrize(
    ("received", "keeps_alive", "expects"), [case[1:] for case in TAKEN], ids=[case[0] for case in TAKEN]
)
def test_a_head_is_taken(received: bytes, keeps_alive: bool, expects: bool) -> None:
    read = head(received)
    assert read is not None
    assert (read.keeps_alive, read.expects_continue) == (keeps_alive, expects)


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda tail: b"GET / HTTP/1.1\r\n" + tail + b"\r\n\r\n"))
def test_any_bytes_are_a_head_or_unfinished_or_a_bad_request(received: bytes) -> None:
    try:
        read = head(received)
    except BadRequest:
        return
    assert (read is None) == (b"\r\n\r\n" not in received)


def test_the_environ_of_a_request() -> None:
    read = head(
        b"POST /a%2Fb%C3%A9?q=%20 HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nX-A: 2\r\nX_A: 3\r\n"
        b"Content-Type: text/plain\r\nContent-Length: 0\r\n\r\n"
    )
    assert read is not None
    assert read.environ() == {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/a/b\u00c3\u00a9",  # PEP 3333: bytes as latin-1
        "QUERY_STRING": "q=%20",
        "CONTENT_TYPE": "text/plain",
        "CONTENT_LENGTH": "0",
        "HTTP_HOST": "h",
        "HTTP_X_A": "1,2",
    }


ANSWERS = [
    ("a length is added", [("A", "b")], b"hi", True, False, b"A: b\r\nContent-Length: 2\r\n\r\nhi"),
    ("a length is kept", [("Content-Length", "9")], b"", True, True, b"Content-Length: 9\r\n\r\n"),
    ("the last answer says so", [], b"", False, False, b"Content-Length: 0\r\nConnection: close\r\n\r\n"),
    (
        "the connection is the server's affair",
        [("Connection", "keep-alive")],
        b"",
        True,
        False,
        b"Content-Length: 0\r\n\r\n",
    ),
    ("HEAD has no body", [], b"hi", True, True, b"Content-Length: 2\r\n\r\n"),
]


@pytest.mark.parametrize(
    ("fields", "body", "keeps_alive", "is_head", "expected"),
    [case[1:] for case in ANSWERS],
    ids=[c[0] for c in ANSWERS],
)
def test_an_answer(
    fields: list[tuple[str, str]], body: bytes, keeps_alive: bool, is_head: bool, expected: bytes
) -> None:
    written = answer("200 OK", fields, body, keeps_alive=keeps_alive, is_head=is_head)
    assert written == b"HTTP/1.1 200 OK\r\n" + expected


def test_an_answer_cannot_be_split() -> None:
    with pytest.raises(ValueError, match="line break"):
        answer("200 OK", [("A", "b\r\nC: d")], b"", keeps_alive=True)
