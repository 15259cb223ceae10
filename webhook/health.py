"""Health: liveness, readiness and metrics of a process that serves nothing else, over plain HTTP."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Exposition = Callable[[], tuple[bytes, str]]


def start(host: str, port: int, *, is_ready: Callable[[], tuple[bool, str]], exposition: Exposition) -> int:
    """
    Answer /healthz, /readyz and /metrics from a thread; returns the port.

    Raises:
        OSError: the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        # A client that says nothing does not keep its thread.
        timeout = 5

        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, *exposition())
            elif self.path == "/readyz":
                ready, why = is_ready()
                self._answer(200 if ready else 503, f"{why}\n".encode(), "text/plain; charset=utf-8")
            elif self.path == "/healthz":
                self._answer(200, b"ok\n", "text/plain; charset=utf-8")
            else:
                self._answer(404, b"not found\n", "text/plain; charset=utf-8")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name for it
            """Probes are not worth a line."""

        def _answer(self, status: int, body: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    server = Server((host, port), Handler)
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return int(server.server_address[1])
