"""Serving: the processes that answer the API server, under gunicorn; and the same loop in a thread of this one."""

import os
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]  # gunicorn ships no types
from gunicorn.workers.base import Worker  # type: ignore[import-untyped]  # gunicorn ships no types

from webhook import metrics
from webhook.app import write_line
from webhook.eventloop import EventLoop, Limits, Listener
from webhook.tls import ServerContext, TlsFiles

__all__ = ["Limits", "Running", "ServeOptions", "TlsFiles", "serve", "start_in_thread"]

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

AppFactory = Callable[[], "WSGIApplication"]

# A burst of all API servers at once; what does not fit is dropped by the kernel and comes again a second later.
BACKLOG = 1024
# A worker whose loop does not turn for this long is replaced. Judging is bounded far below.
STUCK = 30
# The seconds that one computing thread may keep another from running.
TURN = 0.001
# What the arbiter gives its workers above what they take themselves.
MARGIN = 5


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Where and how to serve. `health_port` is plain HTTP, for GET only: probes and metrics without a certificate."""

    host: str
    port: int
    tls: TlsFiles
    health_port: int | None = None
    workers: int = 1
    limits: Limits = field(default_factory=Limits)


def serve(
    app_factory: AppFactory,
    options: ServeOptions,
    *,
    post_worker_init: Callable[[], None] = lambda: None,
    when_listening: Callable[[tuple[int, ...]], None] = lambda ports: None,
) -> None:
    """
    Serve until SIGTERM, then answer what is under way and exit the process.

    `app_factory` and then `post_worker_init` are called in every worker, after the fork: a thread that is started
    earlier does not exist there. `when_listening` is called once, in the parent, with the ports: main, then health.

    Raises:
        OSError: the certificate cannot be served with.
    """
    ServerContext(options.tls, _warn)
    # Processes that share a port share their counts, whichever of them is asked.
    directory = Path(tempfile.mkdtemp(prefix="isolation-baseline-metrics-")) if options.workers > 1 else None
    if directory:
        metrics.share(directory)
    parent = os.getpid()
    try:
        _Gunicorn(app_factory, options, post_worker_init, when_listening).run()
    finally:
        # Workers leave through here as well.
        if directory and os.getpid() == parent:
            shutil.rmtree(directory, ignore_errors=True)


class _Gunicorn(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    """Gunicorn's part: forking workers, replacing those that die or hang, and passing on signals."""

    def __init__(
        self,
        app_factory: AppFactory,
        options: ServeOptions,
        post_worker_init: Callable[[], None],
        when_listening: Callable[[tuple[int, ...]], None],
    ) -> None:
        self.options = options
        self._app_factory = app_factory
        self._post_worker_init = post_worker_init
        self._when_listening = when_listening
        super().__init__()

    def load_config(self) -> None:
        options = self.options
        ports = [options.port] if options.health_port is None else [options.port, options.health_port]
        host = f"[{options.host}]" if ":" in options.host else options.host
        settings: dict[str, Any] = {
            "bind": [f"{host}:{port}" for port in ports],
            "backlog": BACKLOG,
            "workers": options.workers,
            "worker_class": EventLoopWorker,
            # On one socket no connection is lost with the worker whose queue it happened to stand in.
            "reuse_port": False,
            "timeout": STUCK,
            "graceful_timeout": int(options.limits.linger + options.limits.grace) + MARGIN,
            "loglevel": "warning",
            # The heartbeat is a file; on a disk that hangs it would have workers killed.
            "worker_tmp_dir": "/dev/shm" if Path("/dev/shm").is_dir() else None,  # noqa: S108  # mkstemp inside
            "control_socket_disable": True,
            "proc_name": "isolation-baseline",
            "post_worker_init": lambda worker: self._post_worker_init(),
            "when_ready": lambda server: self._when_listening(
                tuple(listener.sock.getsockname()[1] for listener in server.LISTENERS)
            ),
            "child_exit": lambda server, worker: metrics.forget(worker.pid),
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> "WSGIApplication":
        return self._app_factory()


class EventLoopWorker(Worker):  # type: ignore[misc]  # gunicorn ships no types
    """
    Gunicorn's worker with our event loop inside.

    Its threaded worker gives a thread to each connection that is accepted, and waits there for the handshake and the
    first request: a client that opens connections in advance, as Go's does, takes all threads away from the others.
    """

    _loop: EventLoop | None = None

    def run(self) -> None:
        options: ServeOptions = self.app.options
        context = ServerContext(options.tls, _warn)
        # The order is that of "bind": the second listener is the health port.
        listeners = [Listener(bound.sock, None if n else context) for n, bound in enumerate(self.sockets)]
        self._loop = EventLoop(listeners, self.wsgi, options.limits, _warn)
        if not self.alive:
            self._loop.stop()
        # While a large review is judged in its thread, the loop gets its turn after this long and not after 5 ms.
        sys.setswitchinterval(TURN)
        self._loop.run(self._tick)

    def handle_exit(self, sig: int, frame: object) -> None:
        self.alive = False
        if self._loop:
            self._loop.stop()

    def _tick(self) -> None:
        self.notify()
        if self.ppid != os.getppid() and self._loop:
            self._loop.stop(linger=0)


@dataclass(frozen=True, slots=True)
class Running:
    """A server in a thread of this process."""

    port: int
    health_port: int | None
    _loop: EventLoop
    _thread: threading.Thread

    def stop(self, *, linger: float = 0.0) -> None:
        """Answer what is under way, and return when that is done."""
        self._loop.stop(linger=linger)
        self._thread.join()


def start_in_thread(app: "WSGIApplication", options: ServeOptions) -> Running:
    """
    The loop that a worker runs, in a thread. Connections are accepted when this returns.

    Raises:
        OSError: the certificate cannot be served with, or the port is taken.
    """
    context = ServerContext(options.tls, _warn)
    listeners = [Listener(_listen(options.host, options.port), context)]
    if options.health_port is not None:
        try:
            listeners.append(Listener(_listen(options.host, options.health_port), None))
        except OSError:
            listeners[0].sock.close()
            raise
    ports = [listener.sock.getsockname()[1] for listener in listeners]
    loop = EventLoop(listeners, app, options.limits, _warn)
    thread = threading.Thread(target=loop.run, name="webhook", daemon=True)
    thread.start()
    return Running(ports[0], ports[1] if len(ports) > 1 else None, loop, thread)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def _warn(text: str) -> None:
    write_line(orjson.dumps({"level": "warning", "text": text}))
