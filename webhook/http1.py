"""HTTP/1.1: the head of a request out of bytes, and the bytes of an answer; strict, and without sockets."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

# In the environ of a request that a stopping server answers: /readyz says no from then on.
DRAINING = "webhook.draining"
# kube-apiserver sends about 300 bytes.
MAX_HEAD = 16 * 1024
MAX_FIELDS = 64

_REQUEST_LINE = re.compile(r"([A-Z]{1,16}) (/[\x21-\x7e]*) HTTP/1\.([01])")
# No blank before the colon, no folding, no control characters: what two readers read differently smuggles requests.
_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e\x80-\xff]*)")
_LENGTH = re.compile(r"[0-9]{1,10}")
# Fields that make a message ambiguous when they come twice.
_SINGLE = frozenset({"content-length", "content-type", "host", "expect", "transfer-encoding"})


class BadRequest(ValueError):  # noqa: N818  # the status line's own words
    """The bytes are no request that we take; `status` is what to answer before closing."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request: everything before its body."""

    method: str
    target: str
    fields: dict[str, str]  # by name in lower case; of a field that comes twice, the values joined by commas
    length: int  # of the body
    size: int  # of the head itself, with the empty line
    keeps_alive: bool
    expects_continue: bool

    def environ(self) -> dict[str, str]:
        """The request's part of a WSGI environ (PEP 3333)."""
        path, _, query = self.target.partition("?")
        environ = {
            f"HTTP_{name.upper().replace('-', '_')}": value
            for name, value in self.fields.items()
            # `a_b` and `a-b` would become the same variable.
            if "_" not in name and name not in ("content-type", "content-length")
        }
        environ["REQUEST_METHOD"] = self.method
        environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1") if "%" in path else path
        environ["QUERY_STRING"] = query
        environ["CONTENT_TYPE"] = self.fields.get("content-type", "")
        environ["CONTENT_LENGTH"] = str(self.length)
        return environ


def read_head(received: bytes | bytearray, *, max_body: int) -> Head | None:
    """
    Read the head that `received` begins with; None while its end has not come.

    A body has a Content-Length, as every API server sends it: chunked bodies are refused.

    Raises:
        BadRequest: the connection cannot go on, for where the next request begins is unknown.
    """
    end = received.find(b"\r\n\r\n", 0, MAX_HEAD)
    if end < 0:
        if len(received) >= MAX_HEAD:
            raise BadRequest("431 Request Header Fields Too Large")
        return None
    first, *lines = received[:end].decode("latin-1").split("\r\n")
    request_line = _REQUEST_LINE.fullmatch(first)
    if request_line is None:
        raise BadRequest("400 Bad Request")
    if len(lines) > MAX_FIELDS:
        raise BadRequest("431 Request Header Fields Too Large")
    method, target, minor = request_line.groups()
    fields = _fields(lines)
    if minor == "1" and "host" not in fields:
        raise BadRequest("400 Bad Request")
    expectation = fields.get("expect", "").lower()
    if expectation not in ("", "100-continue"):
        raise BadRequest("417 Expectation Failed")
    return Head(
        method=method,
        target=target,
        fields=fields,
        length=_length(fields, max_body),
        size=end + 4,
        keeps_alive=minor == "1" and "close" not in fields.get("connection", "").lower(),
        expects_continue=minor == "1" and expectation != "",
    )


def _fields(lines: Iterable[str]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            raise BadRequest("400 Bad Request")
        name, value = field[1].lower(), field[2].strip(" \t")
        if name in fields:
            if name in _SINGLE:
                raise BadRequest("400 Bad Request")
            value = f"{fields[name]},{value}"
        fields[name] = value
    return fields


def _length(fields: dict[str, str], max_body: int) -> int:
    if "transfer-encoding" in fields:
        raise BadRequest("411 Length Required")
    text = fields.get("content-length", "0")
    if _LENGTH.fullmatch(text) is None:
        raise BadRequest("400 Bad Request")
    length = int(text)
    if length > max_body:
        raise BadRequest("413 Content Too Large")
    return length


def answer(
    status: str, fields: Iterable[tuple[str, str]], body: bytes, *, keeps_alive: bool, is_head: bool = False
) -> bytes:
    """
    The bytes of an answer. `is_head`: only the fields of the body are sent.

    Field values come from the application and from our tables, never from a client unchecked; a line break in one
    would still split the answer in two, and is our bug.
    """
    lines = [f"HTTP/1.1 {status}"]
    has_length = False
    for name, value in fields:
        if name.lower() in ("connection", "transfer-encoding"):
            continue
        has_length = has_length or name.lower() == "content-length"
        lines.append(f"{name}: {value}")
    if not has_length:
        lines.append(f"Content-Length: {len(body)}")
    if not keeps_alive:
        lines.append("Connection: close")
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) - 1:
        raise ValueError("a line break in a field")
    return head.encode("latin-1") + b"\r\n\r\n" + (b"" if is_head else body)
