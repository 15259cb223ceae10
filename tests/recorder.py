"""A tiny webhook that records every review it gets and allows it, for tests of what the API server asks us at all."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.controlplane import pki

LOOPBACK = "127.0.0.1"
Review = dict[str, Any]


class Recorder:
    """Listens on one port for its whole life, but for the spans in which it is `down`."""

    def __init__(self, folder: Path, environment_label: str = "") -> None:
        authority = pki.authority("recorder CA")
        leaf = authority.server((LOOPBACK,))
        pem = folder / "recorder.pem"
        pem.write_bytes(leaf.certificate + leaf.key)
        self.ca = authority.pem.decode()
        self.label = environment_label
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(pem)
        self._lock = threading.Lock()
        self._reviews: list[tuple[str, Review]] = []
        self._server = self._listen(0)

    @property
    def url(self) -> str:
        return f"https://{LOOPBACK}:{self._server.server_address[1]}"

    def taken(self) -> list[tuple[str, Review]]:
        """The reviews since the last call: path and request."""
        with self._lock:
            reviews, self._reviews = self._reviews, []
        return reviews

    def asked(self) -> list[str]:
        """The same in words: path, operation, resource/subresource."""
        return [
            " ".join((path, r["operation"], "/".join(filter(None, (r["resource"]["resource"], r.get("subResource"))))))
            for path, r in self.taken()
        ]

    @contextmanager
    def down(self) -> Iterator[None]:
        """Nobody listens on the port: every call fails at once."""
        port = self._server.server_address[1]
        self.close()
        try:
            yield
        finally:
            self._server = self._listen(port)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _listen(self, port: int) -> ThreadingHTTPServer:
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer = json.dumps(recorder._answer(self.path.partition("?")[0], review["request"])).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer((LOOPBACK, port), Handler)
        server.socket = self._context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return server

    def _answer(self, path: str, request: Review) -> Review:
        with self._lock:
            self._reviews.append((path, request))
        response: Review = {"uid": request["uid"], "allowed": True}
        if path.startswith("/mutate") and self.label:
            labels = request["object"]["metadata"].get("labels") or {}
            patch = [{"op": "add", "path": "/metadata/labels", "value": {**labels, self.label: "unassigned"}}]
            response |= {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(patch).encode()).decode()}
        return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}


@contextmanager
def recording(environment_label: str = "") -> Iterator[Recorder]:
    """A recorder for the length of a `with` block; with a label it gives every namespace that label."""
    with TemporaryDirectory() as folder:
        recorder = Recorder(Path(folder), environment_label)
        try:
            yield recorder
        finally:
            recorder.close()
