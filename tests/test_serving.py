"""The server: whatever clients do or leave undone, a review is answered, and none is lost while it stops or reloads."""

import datetime as dt
import http.client
import json
import os
import select
import signal
import socket
import ssl
import subprocess
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import orjson
import pytest

from certs import pki, store
from tests.controlplane import golang
from tests.serving_process import judge, make_app, review, started
from webhook.app import create_app
from webhook.connection import Patience
from webhook.eventloop import Limits
from webhook.serving import Running, ServeOptions, TlsFiles, start_in_thread
from webhook.wire import MAX_REVIEW_BYTES

GOCLIENT = Path(__file__).parent / "goclient"
# As kube-apiserver writes it.
HEAD = b"POST /judge?timeout=3s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> store.Files:
    return store.ensure(tmp_path_factory.mktemp("certs"), ("localhost", "127.0.0.1"), now=dt.datetime.now(dt.UTC))


@pytest.fixture(scope="session")
def tls(files: store.Files) -> TlsFiles:
    return TlsFiles(files.certificate, files.key)


@pytest.fixture
def trust(files: store.Files) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(files.authority)
    return context


Start = Callable[..., Running]


@pytest.fixture
def start(tls: TlsFiles) -> Iterator[Start]:
    with ExitStack() as stack:

        def begin(limits: Limits | None = None, files: TlsFiles = tls) -> Running:
            app = create_app({"/judge": judge}, is_ready=lambda: (True, "ok"), log=lambda line: None)
            options = ServeOptions("127.0.0.1", 0, files, health_port=0, limits=limits or Limits())
            running = start_in_thread(app, options)
            stack.callback(running.stop)
            return running

        yield begin


@pytest.fixture(scope="session")
def goclient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("goclient") / "goclient"
    golang.build(golang.Module.read(GOCLIENT), ".", target, stamps={})
    return target


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def secured(port: int, trust: ssl.SSLContext) -> ssl.SSLSocket:
    return trust.wrap_socket(connect(port), server_hostname="localhost")


def said(sock: socket.socket) -> tuple[int, bytes]:
    """The next answer on a connection."""
    response = http.client.HTTPResponse(sock)
    response.begin()
    return response.status, response.read()


def asked(sock: socket.socket, body: bytes, head: bytes = HEAD) -> tuple[int, bytes]:
    sock.sendall(head + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return said(sock)


def is_unanswered(sock: ssl.SSLSocket) -> bool:
    return not sock.pending() and not select.select([sock], [], [], 0)[0]


def is_allowed(answer: tuple[int, bytes]) -> bool:
    return answer[0] == 200 and orjson.loads(answer[1])["response"] == {"uid": "u-1", "allowed": True}


def client_hello(trust: ssl.SSLContext) -> bytes:
    out = ssl.MemoryBIO()
    side = trust.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        side.do_handshake()
    return out.read()


def idle(port: int, trust: ssl.SSLContext) -> socket.socket:
    return connect(port)


def half_client_hello(port: int, trust: ssl.SSLContext) -> socket.socket:
    sock, hello = connect(port), client_hello(trust)
    sock.sendall(hello[: len(hello) // 2])
    return sock


def handshake_and_silence(port: int, trust: ssl.SSLContext) -> socket.socket:
    return secured(port, trust)


def partial_head(port: int, trust: ssl.SSLContext) -> socket.socket:
    sock = secured(port, trust)
    sock.sendall(HEAD)
    return sock


def partial_body(port: int, trust: ssl.SSLContext) -> socket.socket:
    sock = secured(port, trust)
    sock.sendall(HEAD + b"Content-Length: 5000\r\n\r\n{")
    return sock


def garbage(port: int, trust: ssl.SSLContext) -> socket.socket:
    sock = connect(port)
    sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
    return sock


STALLS = [idle, half_client_hello, handshake_and_silence, partial_head, partial_body, garbage]


@pytest.mark.parametrize("stall", STALLS)
def test_stalled_clients_do_not_keep_a_review_waiting(
    stall: Callable[[int, ssl.SSLContext], socket.socket], start: Start, trust: ssl.SSLContext
) -> None:
    server = start()
    with ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(closing(stall(server.port, trust)))
        with closing(secured(server.port, trust)) as sock:
            sock.settimeout(5)
            assert is_allowed(asked(sock, review()))


def test_a_stock_threaded_worker_is_stopped_by_such_clients(tls: TlsFiles, trust: ssl.SSLContext) -> None:
    """Otherwise the test above would show nothing."""
    with started("stock", tls, "--threads", "2") as server, ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(closing(handshake_and_silence(server.port, trust)))
        sock = stack.enter_context(closing(connect(server.port)))
        sock.settimeout(3)
        with pytest.raises(TimeoutError):
            trust.wrap_socket(sock, server_hostname="localhost")


def bursts(goclient: Path, port: int, files: store.Files, directory: Path, *, timeout: str = "5s") -> dict[str, int]:
    """Two seconds of what an API server does under load: 25 calls at once, ten times a second."""
    (directory / "review").write_bytes(review())
    command: list[str | Path] = [goclient, "-url", f"https://localhost:{port}/judge", "-ca", files.authority]
    command += ["-review", directory / "review", "-total", "500", "-burst", "25", "-rate", "250", "-timeout", timeout]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    counts: dict[str, int] = json.loads(done.stdout)
    return counts


def test_bursts_of_a_go_client_lose_nothing(
    goclient: Path, files: store.Files, tls: TlsFiles, trust: ssl.SSLContext, tmp_path: Path
) -> None:
    with started("ours", tls) as server, ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(closing(handshake_and_silence(server.port, trust)))
        counts = bursts(goclient, server.port, files, tmp_path)
    assert (counts["sent"], counts["failed"]) == (500, 0), counts


def test_bursts_of_a_go_client_are_too_much_for_a_stock_threaded_worker(
    goclient: Path, files: store.Files, tls: TlsFiles, tmp_path: Path
) -> None:
    """Otherwise the test above would show nothing."""
    with started("stock", tls, "--threads", "2") as server:
        counts = bursts(goclient, server.port, files, tmp_path, timeout="2s")
    assert counts["sent"] == 500
    assert counts["failed"] > 25, counts


IMPATIENT = Limits(patience=Patience(handshake=0.1, request=0.1, idle=0.1, leaving=0.1))


@pytest.mark.parametrize("stall", STALLS)
def test_nobody_is_waited_for_for_ever(
    stall: Callable[[int, ssl.SSLContext], socket.socket], start: Start, trust: ssl.SSLContext
) -> None:
    with closing(stall(start(IMPATIENT).port, trust)) as sock:
        try:
            rest = sock.recv(65536)
        except ConnectionResetError:
            rest = b""
        # What answers half a handshake is an alert at most; afterwards the end.
        assert len(rest) < 16


def test_a_client_that_does_not_read_its_answer_is_given_up_and_keeps_nobody_waiting(
    tls: TlsFiles, trust: ssl.SSLContext
) -> None:
    def much(environ: object, start_response: Callable[..., object]) -> list[bytes]:
        start_response("200 OK", [])
        return [b"x" * 20_000_000]

    server = start_in_thread(much, ServeOptions("127.0.0.1", 0, tls, limits=Limits(patience=Patience(request=0.5))))
    with closing(secured(server.port, trust)) as lazy, closing(secured(server.port, trust)) as eager:
        for sock in (lazy, eager):
            sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert said(eager) == (200, b"x" * 20_000_000)
        eager.close()
        server.stop()
        assert len(_rest(lazy)) < 20_000_000


def test_reviews_that_wait_for_the_network_keep_nobody_else_waiting(start: Start, trust: ssl.SSLContext) -> None:
    server = start()
    body = review(object={"seconds": 1.5})
    with ExitStack() as stack:
        slow = [stack.enter_context(closing(secured(server.port, trust))) for _ in range(8)]
        for sock in slow:
            sock.sendall(HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        gone = stack.enter_context(closing(secured(server.port, trust)))
        gone.sendall(HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        gone.close()
        quick = stack.enter_context(closing(secured(server.port, trust)))
        assert is_allowed(asked(quick, review()))
        assert all(is_unanswered(sock) for sock in slow)
        slow[0].sendall(HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)  # before the first is answered
        for sock in [*slow, slow[0]]:
            assert is_allowed(said(sock))
        assert is_allowed(asked(slow[1], review()))


def test_a_large_review_that_takes_long_to_judge_keeps_nobody_else_waiting(
    tls: TlsFiles, trust: ssl.SSLContext
) -> None:
    body = review(object={"compute": 1.0, "padding": "x" * 20_000})
    with started("ours", tls) as server, closing(secured(server.port, trust)) as quick:
        assert is_allowed(asked(quick, review()))
        with closing(secured(server.port, trust)) as slow:
            slow.sendall(HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            for _ in range(5):
                assert is_allowed(asked(quick, review()))
            assert is_unanswered(slow)
            assert is_allowed(said(slow))


def test_a_fault_of_the_application_costs_one_connection(
    tls: TlsFiles, trust: ssl.SSLContext, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(environ: dict[str, str], start_response: Callable[..., object]) -> list[bytes]:
        if environ["PATH_INFO"] == "/broken":
            raise RuntimeError("a fault of ours")
        start_response("200 OK", [])
        return [b"fine"]

    server = start_in_thread(broken, ServeOptions("127.0.0.1", 0, tls))
    with closing(secured(server.port, trust)) as first, closing(secured(server.port, trust)) as second:
        first.sendall(b"GET /broken HTTP/1.1\r\nHost: h\r\n\r\n")
        assert _rest(first) == b""
        second.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert said(second) == (200, b"fine")
    server.stop()
    assert "a fault of ours" in capfd.readouterr().err


def _rest(sock: socket.socket) -> bytes:
    received = bytearray()
    with suppress(OSError):
        while piece := sock.recv(65536):
            received += piece
    return bytes(received)


def test_the_table_full_of_idle_clients_has_room_for_one_who_asks(start: Start, trust: ssl.SSLContext) -> None:
    server = start(Limits(connections=10))
    with ExitStack() as stack:
        for _ in range(30):
            stack.enter_context(closing(idle(server.port, trust)))
        assert is_allowed(asked(stack.enter_context(closing(secured(server.port, trust))), review()))


def test_large_bodies_are_taken_as_far_as_memory_allows(start: Start, trust: ssl.SSLContext) -> None:
    server = start(Limits(bodies=1_000_000))
    large = review() + b" " * 600_000
    with closing(secured(server.port, trust)) as first, closing(secured(server.port, trust)) as second:
        first.sendall(HEAD + f"Content-Length: {len(large)}\r\nExpect: 100-continue\r\n\r\n".encode())
        assert first.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        second.sendall(HEAD + f"Content-Length: {len(large)}\r\n\r\n".encode() + large)
        response = http.client.HTTPResponse(second)
        response.begin()
        # The API server asks again after a 503 that says when.
        assert (response.status, response.headers["Retry-After"]) == (503, "1")
        response.close()
        first.sendall(large)
        assert is_allowed(said(first))
        assert is_allowed(asked(first, large))


def test_the_largest_review_is_answered_and_one_byte_more_is_not(start: Start, trust: ssl.SSLContext) -> None:
    server = start()
    body = review()
    with closing(secured(server.port, trust)) as sock:
        assert is_allowed(asked(sock, body + b" " * (MAX_REVIEW_BYTES - len(body))))
        # All of it is sent before the answer is read: no reset may take the answer away.
        assert asked(sock, body + b" " * (MAX_REVIEW_BYTES - len(body) + 1)) == (413, b"")
        assert sock.recv(1) == b""


REFUSED = [
    ("no HTTP", b"\x00\x01\r\n\r\n", 400),
    ("a chunked body", HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
    ("two lengths", HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}", 400),
    ("an endless head", HEAD + b"A: " + b"a" * 20_000, 431),
]


@pytest.mark.parametrize(("sent", "status"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_is_no_request_is_answered_and_the_connection_ends(
    sent: bytes, status: int, start: Start, trust: ssl.SSLContext
) -> None:
    with closing(secured(start().port, trust)) as sock:
        sock.sendall(sent)
        assert said(sock) == (status, b"")
        assert sock.recv(1) == b""


def test_requests_that_come_together_are_answered_one_after_the_other(start: Start, trust: ssl.SSLContext) -> None:
    body = review()
    request = HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
    with closing(secured(start().port, trust)) as sock:
        sock.sendall(request * 3)
        stream = sock.makefile("rb")
        for _ in range(3):
            assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
            fields = dict(line.rstrip().split(b": ", 1) for line in iter(stream.readline, b"\r\n"))
            assert orjson.loads(stream.read(int(fields[b"Content-Length"])))["response"]["uid"] == "u-1"
        stream.close()


def test_a_request_in_single_bytes_is_a_request(start: Start, trust: ssl.SSLContext) -> None:
    body = review()
    with closing(secured(start().port, trust)) as sock:
        for byte in HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body:
            sock.sendall(bytes([byte]))
        assert is_allowed(said(sock))


def test_a_client_that_waits_to_be_told_to_go_on_is_told(start: Start, trust: ssl.SSLContext) -> None:
    body = review()
    with closing(secured(start().port, trust)) as sock:
        sock.sendall(HEAD + f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n".encode())
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert is_allowed(said(sock))


def test_the_health_port_answers_probes_and_takes_no_reviews(start: Start) -> None:
    server = start()
    assert server.health_port is not None
    with closing(connect(server.health_port)) as sock:
        sock.sendall(b"GET /readyz HTTP/1.1\r\nHost: h\r\n\r\n")
        assert said(sock) == (200, b"ok\n")
        assert asked(sock, review())[0] == 405


def test_a_handshake_with_an_old_tls_fails(start: Start, trust: ssl.SSLContext) -> None:
    trust.set_ciphers("DEFAULT@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        trust.minimum_version = trust.maximum_version = ssl.TLSVersion.TLSv1_1
    with closing(connect(start().port)) as sock, pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        trust.wrap_socket(sock, server_hostname="localhost")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_http_1_is_spoken_whatever_else_a_client_offers(
    version: ssl.TLSVersion, start: Start, trust: ssl.SSLContext
) -> None:
    trust.set_alpn_protocols(["h2", "http/1.1"])
    trust.minimum_version = trust.maximum_version = version
    with closing(secured(start().port, trust)) as sock:
        assert sock.selected_alpn_protocol() == "http/1.1"
        assert is_allowed(asked(sock, review()))


def serial(port: int, trust: ssl.SSLContext) -> str:
    with closing(secured(port, trust)) as sock:
        certificate = sock.getpeercert()
        assert certificate is not None
        return str(certificate["serialNumber"])


def test_a_new_certificate_is_served_at_once_and_a_bad_one_never(
    start: Start, files: store.Files, trust: ssl.SSLContext, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    mine = TlsFiles(tmp_path / "crt", tmp_path / "key")
    authority = pki.Issued(files.authority.read_bytes(), files.authority_key.read_bytes())

    def exchange(certificate: bytes, key: bytes) -> None:
        for path, content in ((mine.key, key), (mine.cert, certificate)):
            path.with_suffix(".new").write_bytes(content)
            path.with_suffix(".new").rename(path)

    exchange(files.certificate.read_bytes(), files.key.read_bytes())
    server = start(files=mine)
    with closing(secured(server.port, trust)) as early:
        first = serial(server.port, trust)
        new = pki.issue_serving(authority, ("localhost",), now=dt.datetime.now(dt.UTC))
        exchange(new.certificate, new.key)
        second = serial(server.port, trust)
        assert int(second, 16) == pki.load(new.certificate).serial_number != int(first, 16)
        exchange(new.certificate, files.key.read_bytes())
        assert serial(server.port, trust) == second
        assert capfd.readouterr().err.count("the certificate cannot be loaded") == 1
        mine.cert.unlink()
        assert serial(server.port, trust) == second
        exchange(files.certificate.read_bytes(), files.key.read_bytes())
        assert serial(server.port, trust) == first
        assert is_allowed(asked(early, review()))


def test_a_server_with_a_bad_certificate_does_not_start(tls: TlsFiles, files: store.Files) -> None:
    with pytest.raises(ssl.SSLError):
        start_in_thread(make_app(), ServeOptions("127.0.0.1", 0, TlsFiles(tls.cert, files.authority_key)))


def test_a_terminated_server_answers_what_is_under_way_and_leaves_without_a_failure(
    tls: TlsFiles, trust: ssl.SSLContext
) -> None:
    with started("ours", tls, "--linger", "1") as server, ExitStack() as stack:
        slow, busy, unused = (stack.enter_context(closing(secured(server.port, trust))) for _ in range(3))
        assert is_allowed(asked(busy, review()))
        body = review(object={"seconds": 0.3})
        slow.sendall(HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        server.terminate()
        assert is_allowed(said(slow))
        # While it lingers, old and new connections are served, once.
        for sock in (busy, stack.enter_context(closing(secured(server.port, trust)))):
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
            response = http.client.HTTPResponse(sock)
            response.begin()
            assert (response.read(), response.headers["Connection"]) == (b"ok\n", "close")
            assert sock.recv(1) == b""
        assert unused.recv(1) == b""
        assert server.process.wait(timeout=10) == 0


def test_a_server_that_is_stopping_says_that_it_is_not_ready(tls: TlsFiles, trust: ssl.SSLContext) -> None:
    with started("ours", tls, "--linger", "1") as server, closing(connect(server.health_port)) as probe:
        server.terminate()
        with closing(secured(server.port, trust)) as sock:
            body = review(object={"seconds": 0.1})  # the signal has arrived by then
            assert is_allowed(asked(sock, body))
        probe.sendall(b"GET /readyz HTTP/1.1\r\nHost: h\r\n\r\n")
        assert said(probe) == (503, b"stopping\n")


def test_calls_of_a_go_client_survive_a_reload(
    goclient: Path, files: store.Files, tls: TlsFiles, tmp_path: Path
) -> None:
    with started("ours", tls, "--workers", "2", "--linger", "1") as server:
        eventually(lambda: len(server.workers()) == 2)
        before = set(server.workers())
        timer = threading.Timer(0.5, server.process.send_signal, [signal.SIGHUP])
        timer.start()
        counts = bursts(goclient, server.port, files, tmp_path)
        timer.join()
        eventually(lambda: not before & set(server.workers()))
        with closing(connect(server.health_port)) as probe:
            probe.sendall(b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n")
            text = said(probe)[1]
    assert (counts["sent"], counts["failed"]) == (500, 0), counts
    # What the workers counted that are gone is still there.
    assert b'decision="allowed",operation="CREATE",path="/judge"} 500.0' in text


def test_every_worker_begins_after_the_fork_and_a_killed_one_is_replaced(
    tls: TlsFiles, trust: ssl.SSLContext, tmp_path: Path
) -> None:
    with started("ours", tls, "--workers", "2", "--began", str(tmp_path)) as server:
        with closing(secured(server.port, trust)) as sock:
            assert is_allowed(asked(sock, review()))
        eventually(lambda: len(list(tmp_path.iterdir())) == 2)
        workers = [int(path.name) for path in tmp_path.iterdir()]
        assert sorted(workers) == sorted(server.workers())
        os.kill(workers[0], signal.SIGKILL)
        eventually(lambda: len(list(tmp_path.iterdir())) == 3)
        with closing(secured(server.port, trust)) as sock:
            assert is_allowed(asked(sock, review()))


def test_workers_add_up_their_counts(tls: TlsFiles, trust: ssl.SSLContext) -> None:
    with started("ours", tls, "--workers", "2") as server:
        for _ in range(10):
            with closing(secured(server.port, trust)) as sock:
                assert is_allowed(asked(sock, review()))
        with closing(connect(server.health_port)) as probe:
            probe.sendall(b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n")
            status, text = said(probe)
    assert status == 200
    assert b'decision="allowed",operation="CREATE",path="/judge"} 10.0' in text


def eventually(holds: Callable[[], bool]) -> None:
    """What another process does in its own time; bounded by fifteen seconds."""
    pause = threading.Event()
    for _ in range(300):
        if holds():
            return
        pause.wait(0.05)
    raise AssertionError("that did not come to be")
