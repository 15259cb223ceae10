"""WSGI: one request of a connection put to the application (PEP 3333), and its reply as one piece; no sockets."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from webhook import http1

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


@dataclass(frozen=True, slots=True)
class Reply:
    """What the application says; what belongs to the connection is added when it is sent."""

    status: str
    fields: tuple[tuple[str, str], ...]
    body: bytes


def base_environ(host: str, port: int, *, is_tls: bool) -> dict[str, Any]:
    """What is the same in all requests to one listening socket."""
    return {
        "SCRIPT_NAME": "",
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https" if is_tls else "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }


def respond(app: "WSGIApplication", environ: dict[str, Any], body: bytes) -> Reply:
    """Whatever the application raises goes through; it may be asked again with the same environ and body."""
    if environ["wsgi.url_scheme"] == "http" and environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
        # The health port is for probes: nothing is posted in the clear.
        return Reply("405 Method Not Allowed", (("Allow", "GET, HEAD"),), b"")
    started: list[tuple[str, list[tuple[str, str]]]] = []
    written: list[bytes] = []

    def start_response(status: str, fields: list[tuple[str, str]], _: object = None) -> Callable[[bytes], object]:
        started.append((status, fields))
        return written.append

    chunks = app({**environ, "wsgi.input": BytesIO(body)}, start_response)
    try:
        said = b"".join([*written, *chunks])
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
    status, fields = started[-1]
    return Reply(status, tuple(fields), said)


def encode(reply: Reply, head: http1.Head, *, keeps_alive: bool, date: str) -> bytes:
    """The reply to a request, on a connection that goes on or ends with it."""
    fields = [*reply.fields, ("Date", date)]
    return http1.answer(reply.status, fields, reply.body, keeps_alive=keeps_alive, is_head=head.method == "HEAD")
