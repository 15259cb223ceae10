"""Event loop: many connections, one thread; a socket is never waited for, so no client can keep another one waiting."""

import errno
import selectors
import socket
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING, Any

from webhook import http1, wsgi
from webhook.connection import Budget, Connection, Patience, Request, Stage
from webhook.tls import ServerContext
from webhook.waiting import WouldWait, without_waiting

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_TICK = 1.0
_DRAINING_TICK = 0.05
_BEFORE_FIRST_WORD = 1.0
_HANDSHAKES_A_TURN = 2


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket. Without a context it is for probes and metrics: nothing is posted in the clear."""

    sock: socket.socket
    context: ServerContext | None


@dataclass(frozen=True, slots=True)
class Limits:
    patience: Patience = field(default_factory=Patience)
    # Together with what else is open under the usual limit of 1,024 descriptors.
    connections: int = 512
    bodies: int = 64 * 1024 * 1024
    # A larger review may take long to judge, and is judged beside the loop. Nearly all are smaller.
    inline: int = 16 * 1024
    # Reviews that ask the API server something at the same time.
    waiters: int = 16
    # A stopping server goes on accepting this long, for until then others believe that it is there.
    linger: float = 5.0
    # And this long after that for what is under way.
    grace: float = 10.0


class EventLoop:
    """
    Serves a WSGI application. It runs in the loop's own thread, between the sockets: judging is computation, and a
    second thread would only take turns with it. Two kinds of reviews are done beside the loop, while their connections
    stay the loop's: large ones, so that nobody's policy of a megabyte stops everybody; and those that would have to
    wait for the network, which say so (WouldWait) and are done again in a thread that may.
    """

    def __init__(
        self, listeners: Sequence[Listener], app: "WSGIApplication", limits: Limits, warn: Callable[[str], None]
    ) -> None:
        self._listeners = list(listeners)
        self._app = app
        self._limits = limits
        self._warn = warn
        self._budget = Budget(limits.bodies)
        self._connections: set[Connection] = set()
        self._selector = selectors.DefaultSelector()
        self._pipelined: list[Connection] = []
        self._waiters = ThreadPoolExecutor(limits.waiters, thread_name_prefix="waiter")
        # One thread: it takes turns with the loop, and more of them would leave the loop fewer turns.
        self._heavy = ThreadPoolExecutor(1, thread_name_prefix="heavy")
        self._done: deque[tuple[Connection, http1.Head, Future[wsgi.Reply]]] = deque()
        self._base = [
            wsgi.base_environ(*listener.sock.getsockname()[:2], is_tls=listener.context is not None)
            for listener in listeners
        ]
        self._wake_out, self._wake_in = socket.socketpair()
        self._stop_at: float | None = None  # when lingering ends
        self._failures: list[str] = []
        self._date = (0.0, "")
        for number, listener in enumerate(self._listeners):
            listener.sock.setblocking(False)
            self._selector.register(listener.sock, selectors.EVENT_READ, number)
        self._wake_out.setblocking(False)
        self._wake_in.setblocking(False)
        self._selector.register(self._wake_out, selectors.EVENT_READ, None)

    def stop(self, *, linger: float | None = None) -> None:
        """Begin to stop; for signal handlers and other threads. `run` returns when all is answered."""
        if self._stop_at is None:
            self._stop_at = time.monotonic() + (self._limits.linger if linger is None else linger)
        self._wake()

    def _wake(self) -> None:
        # When there is no room for another byte, the loop is being woken already.
        with suppress(OSError):
            self._wake_in.send(b"\0")

    def run(self, tick: Callable[[], None] = lambda: None) -> None:
        """Serve until stopped; `tick` is called about once a second."""
        next_tick = 0.0
        while True:
            now = time.monotonic()
            if now >= next_tick:
                next_tick = now + _TICK
                tick()
                self._sweep(now)
            timeout = next_tick - now
            if self._stop_at is not None and now >= self._stop_at:
                if self._is_drained(now):
                    break
                timeout = min(timeout, _DRAINING_TICK)
            elif self._stop_at is not None:
                timeout = min(timeout, self._stop_at - now)
            self._turn(timeout)
        for connection in list(self._connections):
            self._drop(connection)
        for pool in (self._waiters, self._heavy):
            pool.shutdown(wait=False, cancel_futures=True)
        self._selector.close()
        self._wake_out.close()
        self._wake_in.close()

    def _turn(self, timeout: float) -> None:
        events = self._selector.select(0 if self._pipelined else timeout)
        now = time.monotonic()
        waiting, self._pipelined = self._pipelined, []
        for connection in waiting:
            self._step(connection, now)
        handshakes: list[Connection] = []
        knocking: list[int] = []
        for key, _ in events:
            match key.data:
                case Connection(stage=Stage.HANDSHAKE):
                    handshakes.append(key.data)
                case Connection():
                    self._step(key.data, now)
                case int():
                    knocking.append(key.data)
                case _:
                    self._wake_out.recv(4096)
                    self._take_replies(now)
        # A handshake costs as much as several reviews. Reviews first, then a few of them, then the reviews that came
        # meanwhile; what is left over is reported again. So a burst of new connections delays nobody for long.
        for connection in handshakes[:_HANDSHAKES_A_TURN]:
            self._step(connection, now)
        for number in knocking:
            self._accept(number, now)

    def _accept(self, number: int, now: float) -> bool:
        listener = self._listeners[number]
        try:
            sock, address = listener.sock.accept()
        except OSError as e:
            if e.errno in (errno.EMFILE, errno.ENFILE):
                self._evict()
            return False
        if len(self._connections) >= self._limits.connections:
            self._evict()
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if listener.context is not None:
                sock = listener.context.current().wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        except OSError:
            # Gone again before we had time for it.
            sock.close()
            return True
        connection = Connection(sock, address[0], number, self._limits.patience, self._budget, now)
        self._connections.add(connection)
        self._selector.register(sock, connection.wants, connection)
        return True

    def _step(self, connection: Connection, now: float) -> None:
        """Whatever the connection can do now."""
        wanted = connection.wants
        try:
            match connection.stage:
                case Stage.HANDSHAKE:
                    connection.shake_hands(now)
                case Stage.OPEN:
                    if request := connection.receive(now):
                        self._serve(connection, request, now)
                case Stage.ANSWERING:
                    connection.flush(now)
                case Stage.LEAVING:
                    connection.discard()
        except http1.BadRequest as e:
            fields = [("Retry-After", "1")] if e.status.startswith("503") else []
            connection.send(http1.answer(e.status, fields, b"", keeps_alive=False), now, closes=True)
        except Exception:  # noqa: BLE001  # the application answers its own faults; one of ours costs one connection
            self._warn(traceback.format_exc())
            connection.close()
        self._settle(connection, wanted)

    def _settle(self, connection: Connection, wanted: int) -> None:
        if connection.stage is Stage.CLOSED:
            if connection.failure:
                self._failures.append(f"{connection.client}: {connection.failure}")
            self._drop(connection)
            return
        if connection.wants != wanted:
            self._selector.modify(connection.sock, connection.wants, connection)
        if connection.has_more:
            self._pipelined.append(connection)

    def _serve(self, connection: Connection, request: Request, now: float) -> None:
        head = request.head
        environ: dict[str, Any] = {**self._base[connection.listener], **head.environ()}
        environ["REMOTE_ADDR"] = connection.client
        environ[http1.DRAINING] = self._stop_at is not None
        respond = partial(wsgi.respond, self._app, environ, request.body)
        if len(request.body) > self._limits.inline:
            self._set_aside(connection, head, self._heavy.submit(respond), now)
            return
        try:
            reply = without_waiting(respond)
        except WouldWait:
            self._set_aside(connection, head, self._waiters.submit(respond), now)
        else:
            self._reply(connection, head, reply, now)

    def _set_aside(self, connection: Connection, head: http1.Head, later: "Future[wsgi.Reply]", now: float) -> None:
        connection.set_aside(now)
        # What the client sends meanwhile is not to be read, and would be reported again and again.
        self._selector.unregister(connection.sock)
        later.add_done_callback(lambda done: self._reply_later(connection, head, done))

    def _reply(self, connection: Connection, head: http1.Head, reply: wsgi.Reply, now: float) -> None:
        keeps_alive = head.keeps_alive and self._stop_at is None
        encoded = wsgi.encode(reply, head, keeps_alive=keeps_alive, date=self._http_date(now))
        connection.send(encoded, now, closes=not keeps_alive)

    def _reply_later(self, connection: Connection, head: http1.Head, done: "Future[wsgi.Reply]") -> None:
        """In the other thread: only leave the result, and ring."""
        self._done.append((connection, head, done))
        self._wake()

    def _take_replies(self, now: float) -> None:
        while self._done:
            connection, head, done = self._done.popleft()
            if connection.stage is not Stage.JUDGING:
                continue  # given up meanwhile
            self._selector.register(connection.sock, connection.wants, connection)
            wanted = connection.wants
            try:
                self._reply(connection, head, done.result(), now)
            except Exception:  # noqa: BLE001  # as in _step
                self._warn(traceback.format_exc())
                connection.close()
            self._settle(connection, wanted)

    def _http_date(self, now: float) -> str:
        if now >= self._date[0] + 1:
            self._date = (now, formatdate(usegmt=True))
        return self._date[1]

    def _sweep(self, now: float) -> None:
        """Part from those whose time is over."""
        for connection in [connection for connection in self._connections if now >= connection.deadline]:
            if connection.is_idle:
                connection.leave(now)
                self._settle(connection, connection.wants)
            else:
                self._drop(connection)
        if self._failures:
            self._warn(f"{len(self._failures)} TLS handshakes failed, the last from {self._failures[-1]}")
            self._failures.clear()

    def _evict(self) -> None:
        """Make room: the one that has been idle longest, or the one whose time is over first."""
        if self._connections:
            self._drop(min(self._connections, key=lambda connection: (not connection.is_idle, connection.deadline)))

    def _is_drained(self, now: float) -> bool:
        """Whether nobody is left; the door closes when everyone who had knocked by now is inside."""
        for number, listener in enumerate(self._listeners):
            while self._accept(number, now):
                pass
            self._selector.unregister(listener.sock)
            listener.sock.close()
        self._listeners.clear()
        for connection in list(self._connections):
            # Who has not said anything yet may be about to.
            if connection.is_idle and (connection.answered or connection.idle_for(now) >= _BEFORE_FIRST_WORD):
                connection.leave(now)
                self._settle(connection, connection.wants)
        assert self._stop_at is not None
        return not self._connections or now >= self._stop_at + self._limits.grace

    def _drop(self, connection: Connection) -> None:
        connection.close()
        self._connections.discard(connection)
        with suppress(KeyError, ValueError, OSError):
            self._selector.unregister(connection.sock)
        connection.sock.close()
