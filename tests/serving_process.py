"""A webhook server as a process of its own, for tests and benchmarks: ours, or gunicorn's threaded one as it comes."""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask

from webhook import wire
from webhook.app import create_app
from webhook.serving import Limits, ServeOptions, TlsFiles, serve
from webhook.waiting import about_to_wait

ROOT = Path(__file__).resolve().parents[1]


def review(**changes: Any) -> bytes:
    request = {
        "uid": "u-1",
        "operation": "CREATE",
        "kind": {"group": "", "version": "v1", "kind": "Namespace"},
        "resource": {"group": "", "version": "v1", "resource": "namespaces"},
        "name": "dev",
        **changes,
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


def judge(request: wire.AdmissionRequest) -> wire.Answer:
    """Allows, after as many seconds of waiting or of computing as the object says."""
    asked = request.object or {}
    if seconds := asked.get("seconds"):
        about_to_wait()
        time.sleep(seconds)
    end = time.thread_time() + asked.get("compute", 0)
    while time.thread_time() < end:
        pass
    return wire.ALLOWED


def make_app() -> Flask:
    return create_app({"/judge": judge}, is_ready=lambda: (True, "ok"))


def make_guarded_app() -> Flask:
    """The whole guard, over a cluster in memory with a thousand namespaces."""
    # Here, for the servers without it are to be as small as they are in the tests.
    from webhook.api import NAMESPACES
    from webhook.judges import Judging
    from webhook.memory import MemoryCluster
    from webhook.policy.objects import CalicoApi
    from webhook.policy.parse import parse
    from webhook.roles import EXAMPLE_SETTINGS
    from webhook.settings_watch import SettingsWatch
    from webhook.supervise import wait_until

    cluster = MemoryCluster()
    for number in range(1000):
        metadata = {"name": f"shop-{number}-dev", "labels": {"env": "dev"}}
        cluster.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    judging = Judging(cluster, SettingsWatch(EXAMPLE_SETTINGS), CalicoApi.V1, parse=parse)
    judging.start()
    ready, why = wait_until(judging.is_ready, seconds=20, stop=threading.Event())
    assert ready, why
    return create_app(judging.judges(), is_ready=judging.is_ready)


@dataclass(frozen=True, slots=True)
class Process:
    """A running server process."""

    port: int
    health_port: int
    process: "subprocess.Popen[str]"

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(child) for child in children.read_text().split()]


@contextmanager
def started(kind: str, tls: TlsFiles, *arguments: str, log: Path | None = None) -> Iterator[Process]:
    """`kind` is "ours", "guard" or "stock"; the process is ended with the block."""
    command = [sys.executable, "-m", "tests.serving_process", kind, str(tls.cert), str(tls.key), *arguments]
    # What the server writes is not read while it runs: a full pipe would stop it.
    with (log or Path(os.devnull)).open("wb") as errors:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True)
    assert process.stdout is not None
    try:
        ports = json.loads(process.stdout.readline() or "[]")
        assert ports, f"the {kind} server did not start"
        yield Process(ports[0], ports[-1], process)
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _tell(ports: tuple[int, ...]) -> None:
    print(json.dumps(ports), flush=True)


def _serve_ours(tls: TlsFiles, options: argparse.Namespace) -> None:
    def began() -> None:
        if options.began:
            (options.began / str(os.getpid())).touch()

    serve(
        make_guarded_app if options.kind == "guard" else make_app,
        ServeOptions("127.0.0.1", 0, tls, 0, options.workers, Limits(linger=options.linger, grace=5)),
        post_worker_init=began,
        when_listening=_tell,
    )


def _serve_stock(tls: TlsFiles, options: argparse.Namespace) -> None:
    from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]  # gunicorn ships no types

    class Stock(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            settings = {
                "bind": ["127.0.0.1:0"],
                "worker_class": "gthread",
                "threads": options.threads,
                "keepalive": 120,
                "certfile": str(tls.cert),
                "keyfile": str(tls.key),
                "control_socket_disable": True,
                "graceful_timeout": 1,
                "loglevel": "critical",
                "when_ready": lambda server: _tell((server.LISTENERS[0].sock.getsockname()[1],)),
            }
            for name, value in settings.items():
                self.cfg.set(name, value)

        def load(self) -> Flask:
            return make_app()

    Stock().run()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["ours", "guard", "stock"])
    parser.add_argument("cert", type=Path)
    parser.add_argument("key", type=Path)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--linger", type=float, default=0.0)
    parser.add_argument("--began", type=Path)
    options = parser.parse_args()
    start = _serve_stock if options.kind == "stock" else _serve_ours
    start(TlsFiles(options.cert, options.key), options)


if __name__ == "__main__":
    main()
