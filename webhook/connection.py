"""Connection: one client's socket, never waited for: what it sent so far, what it is still to get, until when."""

import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from selectors import EVENT_READ, EVENT_WRITE

from webhook import http1, wire

# A TLS record is 16 KiB at most: one read takes a whole one, so nothing stays behind in OpenSSL unseen.
_RECORD = 16 * 1024
# Reads of one connection in a row before others get their turn.
_TURN = 64
# A body up to this size needs no leave: all connections together cannot make much of it.
SMALL_BODY = 64 * 1024
# What is thrown away of a request that was refused before its end.
_MAX_DISCARDED = 16 * 1024 * 1024


class Stage(Enum):
    """Where a connection stands."""

    HANDSHAKE = auto()
    OPEN = auto()  # awaits a request, or the rest of one
    JUDGING = auto()  # awaits an answer from another thread; the socket is left alone meanwhile
    ANSWERING = auto()  # awaits that the client takes the rest of an answer
    LEAVING = auto()  # said its last word, and reads until the client has noticed
    CLOSED = auto()


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client may take for what, in seconds."""

    handshake: float = 5.0
    # From the first byte of a request to its last, and the same again for the answer.
    request: float = 10.0
    # kube-apiserver keeps idle connections for 90 seconds. Whoever closes first must not be us: a review that is sent
    # into a closing connection is lost, and a POST is not repeated.
    idle: float = 120.0
    leaving: float = 1.0
    # No API server waits longer than this for a webhook.
    judging: float = 30.0


@dataclass(frozen=True, slots=True)
class Request:
    head: http1.Head
    body: bytes


class Budget:
    """The memory that bodies may take together: many clients that each send 7 MiB must not be the end of a worker."""

    def __init__(self, size: int) -> None:
        self.left = size

    def take(self, size: int) -> bool:
        if size > self.left:
            return False
        self.left -= size
        return True


class Connection:
    """Every method returns at once; what it could not finish goes on when `wants` has happened on the socket."""

    __slots__ = (
        "_budget", "_closes", "_discarded", "_head", "_out", "_patience", "_reserved",
        "answered", "client", "deadline", "failure", "has_more", "listener", "received", "sock", "stage", "wants",
    )  # fmt: skip

    def __init__(
        self, sock: socket.socket, client: str, listener: int, patience: Patience, budget: Budget, now: float
    ) -> None:
        is_tls = isinstance(sock, ssl.SSLSocket)
        self.sock = sock
        self.client = client
        self.listener = listener
        self.stage = Stage.HANDSHAKE if is_tls else Stage.OPEN
        self.wants = EVENT_READ
        self.deadline = now + (patience.handshake if is_tls else patience.idle)
        self.received = bytearray()
        self.answered = 0
        self.failure = ""
        # A next request has begun to come together with the one just answered: no event will tell of it.
        self.has_more = False
        self._patience = patience
        self._budget = budget
        self._reserved = 0
        self._head: http1.Head | None = None
        self._out = b""
        self._closes = False
        self._discarded = 0

    @property
    def is_idle(self) -> bool:
        """Nothing of a request has come, and nothing of an answer is left."""
        return self.stage is Stage.OPEN and not self.received

    def idle_for(self, now: float) -> float:
        return self._patience.idle - (self.deadline - now)

    def shake_hands(self, now: float) -> None:
        assert isinstance(self.sock, ssl.SSLSocket)
        try:
            self.sock.do_handshake()
        except ssl.SSLWantReadError:
            self.wants = EVENT_READ
        except ssl.SSLWantWriteError:
            self.wants = EVENT_WRITE
        except (OSError, ValueError) as e:
            self.failure = str(e)
            self.close()
        else:
            self.stage, self.wants, self.deadline = Stage.OPEN, EVENT_READ, now + self._patience.idle

    def receive(self, now: float) -> Request | None:
        """
        Take what the client has sent; the next request as soon as it is whole.

        Raises:
            BadRequest: to be answered with its status and then closed.
        """
        self.has_more = False
        for _ in range(_TURN):
            if self.received and (request := self._take()):
                return request
            try:
                piece = self.sock.recv(_RECORD)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                return None
            except OSError:
                piece = b""
            if not piece:
                self.close()
                return None
            if not self.received:
                self.deadline = now + self._patience.request
            self.received += piece
        return None

    def _take(self) -> Request | None:
        head = self._head
        if head is None:
            head = self._head = http1.read_head(self.received, max_body=wire.MAX_REVIEW_BYTES)
            if head is None:
                return None
            self._admit(head)
        end = head.size + head.length
        if len(self.received) < end:
            return None
        body = bytes(memoryview(self.received)[head.size : end])
        del self.received[:end]
        self._head = None
        self._release()
        return Request(head, body)

    def _admit(self, head: http1.Head) -> None:
        if head.length > SMALL_BODY:
            if not self._budget.take(head.length):
                raise http1.BadRequest("503 Service Unavailable")
            self._reserved = head.length
        if head.expects_continue and len(self.received) == head.size:
            try:
                self.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            except OSError:
                # It would have to wait for a client that has read nothing yet: that client goes on without being asked.
                return

    def set_aside(self, now: float) -> None:
        """Its request is answered elsewhere."""
        self.stage = Stage.JUDGING
        self.deadline = now + self._patience.judging

    def send(self, answer: bytes, now: float, *, closes: bool) -> None:
        self._out = answer
        self._closes = closes
        self.stage = Stage.ANSWERING
        self.deadline = now + self._patience.request
        self.flush(now)

    def flush(self, now: float) -> None:
        """Send on; when all is sent, await the next request, or leave."""
        while self._out:
            try:
                self._out = self._out[self.sock.send(self._out) :]
            except (ssl.SSLWantWriteError, BlockingIOError):
                self.wants = EVENT_WRITE
                return
            except ssl.SSLWantReadError:
                self.wants = EVENT_READ
                return
            except OSError:
                self.close()
                return
        self.answered += 1
        self.wants = EVENT_READ
        if self._closes:
            self.leave(now)
        else:
            self.stage = Stage.OPEN
            self.has_more = bool(self.received)
            self.deadline = now + (self._patience.request if self.received else self._patience.idle)

    def leave(self, now: float) -> None:
        """
        Say goodbye, and stay until the client has heard it.

        Closing at once while the client still sends makes the kernel reset the connection, and the answer is lost.
        """
        self._release()
        self.received.clear()
        self.stage, self.wants, self.deadline = Stage.LEAVING, EVENT_READ, now + self._patience.leaving
        with suppress(OSError, ValueError):
            if isinstance(self.sock, ssl.SSLSocket):
                self.sock.unwrap()  # sends close_notify; the client's own is not waited for
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()

    def discard(self) -> None:
        """Read what a client still sends that has been told to go."""
        for _ in range(_TURN):
            try:
                piece = self.sock.recv(_RECORD)
            except (ssl.SSLWantReadError, BlockingIOError):
                return
            except OSError:
                piece = b""
            self._discarded += len(piece)
            if not piece or self._discarded > _MAX_DISCARDED:
                self.close()
                return

    def close(self) -> None:
        self._release()
        self.stage = Stage.CLOSED

    def _release(self) -> None:
        self._budget.left += self._reserved
        self._reserved = 0
