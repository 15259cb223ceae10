"""The door to the cluster, against a small HTTP server on loopback that answers what a test tells it to."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from webhook.api import (
    NAMESPACES,
    RESOURCES,
    AlreadyExists,
    ClusterError,
    Conflict,
    Forbidden,
    Gone,
    Manifest,
    NoAnswer,
    NotFound,
    Resource,
    Unavailable,
    WatchEvent,
    resource_of,
)
from webhook.cluster import KubernetesCluster
from webhook.kubeconfig import Endpoint

POLICIES = RESOURCES["projectcalico.org/v3", "NetworkPolicy"]


@dataclass
class Asked:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Manifest | None


@dataclass
class Told:
    """An answer: its chunks are sent one by one, with a pause before the last; `cut` breaks the connection off."""

    status: int = 200
    body: Manifest = field(default_factory=dict)
    chunks: list[bytes] = field(default_factory=list)
    pause: threading.Event | None = None
    cut: bool = False


class Server:
    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: list[Told] = []
        self.connections = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 5

            def setup(self) -> None:
                super().setup()
                outer.connections += 1

            def log_message(self, *_: object) -> None:
                pass

            def handle_any(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                content = self.rfile.read(length)
                url = urlsplit(self.path)
                query = {key: values[0] for key, values in parse_qs(url.query).items()}
                body = orjson.loads(content) if content else None
                outer.asked.append(Asked(self.command, url.path, query, dict(self.headers), body))
                outer.tell(self, outer.answers.pop(0) if outer.answers else Told())

        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            setattr(Handler, f"do_{method}", Handler.handle_any)
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        # A client that goes away in the middle is what some tests are about.
        self.http.handle_error = lambda *_: None  # type: ignore[method-assign]  # one method of a server
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}"

    @staticmethod
    def tell(handler: BaseHTTPRequestHandler, told: Told) -> None:
        handler.send_response(told.status)
        handler.send_header("Content-Type", "application/json")
        if not told.chunks:
            content = orjson.dumps(told.body)
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            if told.pause is not None:
                told.pause.wait(5)
            handler.wfile.write(content)
            return
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        *first, last = told.chunks
        for chunk in first:
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        handler.wfile.flush()
        if told.pause is not None:
            told.pause.wait(5)
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(last), last))
        if not told.cut:
            handler.wfile.write(b"0\r\n\r\n")
        handler.wfile.flush()
        handler.close_connection = told.cut

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def cluster(server: Server) -> Iterator[KubernetesCluster]:
    cluster = KubernetesCluster(lambda: Endpoint(server.host, bearer="secret"), user_agent="test")
    yield cluster
    cluster.close()


NAMESPACED = {
    "apiVersion": "projectcalico.org/v3",
    "kind": "NetworkPolicy",
    "metadata": {"name": "p", "namespace": "a"},
}
MANAGER = {"fieldManager": "isolation-baseline"}
PATH = "/apis/projectcalico.org/v3/namespaces/a/networkpolicies"
REQUESTS = [
    pytest.param("get", (NAMESPACES, "a"), {}, ("GET", "/api/v1/namespaces/a", {}, ""), id="get"),
    pytest.param("get", (POLICIES, "p", "a"), {}, ("GET", f"{PATH}/p", {}, ""), id="get in a namespace"),
    pytest.param("create", (POLICIES, NAMESPACED), {}, ("POST", PATH, MANAGER, "application/json"), id="create"),
    pytest.param(
        "create",
        (POLICIES, NAMESPACED),
        {"dry_run": True},
        ("POST", PATH, {**MANAGER, "dryRun": "All"}, "application/json"),
        id="dry run",
    ),
    pytest.param(
        "apply",
        (POLICIES, NAMESPACED),
        {},
        ("PATCH", f"{PATH}/p", {**MANAGER, "force": "true"}, "application/apply-patch+yaml"),
        id="apply",
    ),
    pytest.param(
        "replace", (POLICIES, NAMESPACED), {}, ("PUT", f"{PATH}/p", MANAGER, "application/json"), id="replace"
    ),
    pytest.param(
        "replace",
        (POLICIES, NAMESPACED),
        {"subresource": "status"},
        ("PUT", f"{PATH}/p/status", MANAGER, "application/json"),
        id="replace a subresource",
    ),
    pytest.param(
        "patch",
        (POLICIES, "p", {"metadata": {}}, "a"),
        {},
        ("PATCH", f"{PATH}/p", MANAGER, "application/merge-patch+json"),
        id="patch",
    ),
    pytest.param("delete", (POLICIES, "p", "a"), {}, ("DELETE", f"{PATH}/p", {}, "application/json"), id="delete"),
]


@pytest.mark.parametrize(("verb", "arguments", "options", "expected"), REQUESTS)
def test_what_is_sent(
    server: Server,
    cluster: KubernetesCluster,
    verb: str,
    arguments: tuple[object, ...],
    options: dict[str, object],
    expected: tuple[str, str, dict[str, str], str],
) -> None:
    getattr(cluster, verb)(*arguments, **options)
    (asked,) = server.asked
    assert (asked.method, asked.path, asked.query, asked.headers.get("Content-Type", "")) == expected
    assert asked.headers["Authorization"] == "Bearer secret"
    assert asked.headers["User-Agent"] == "isolation-baseline/test"


def test_a_delete_names_the_uid_that_it_means(server: Server, cluster: KubernetesCluster) -> None:
    cluster.delete(POLICIES, "p", "a", uid="u1")
    assert server.asked[0].body == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Background",
        "preconditions": {"uid": "u1"},
    }


def test_a_delete_that_is_only_tried_says_so_in_its_body(server: Server, cluster: KubernetesCluster) -> None:
    """The API server reads no query beside a body: with dryRun there it would delete."""
    cluster.delete(POLICIES, "p", "a", dry_run=True)
    assert (server.asked[0].body or {})["dryRun"] == ["All"]


ERRORS = [
    (404, "NotFound", NotFound),
    (409, "AlreadyExists", AlreadyExists),
    (409, "Conflict", Conflict),
    (410, "Expired", Gone),
    (403, "Forbidden", Forbidden),
    (429, "TooManyRequests", Unavailable),
    (500, "InternalError", Unavailable),
    (503, "ServiceUnavailable", Unavailable),
    (422, "Invalid", ClusterError),
    (400, "BadRequest", ClusterError),
]


@pytest.mark.parametrize(("status", "reason", "kind"), ERRORS)
def test_what_fails(
    server: Server, cluster: KubernetesCluster, status: int, reason: str, kind: type[ClusterError]
) -> None:
    server.answers = [Told(status, {"kind": "Status", "reason": reason, "message": "because"})]
    with pytest.raises(ClusterError) as caught:
        cluster.get(NAMESPACES, "a")
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.reason, error.message) == (status, reason, "because")
    assert error.request == "GET /api/v1/namespaces/a"


def test_an_answer_that_does_not_come_is_an_error_in_time(server: Server, cluster: KubernetesCluster) -> None:
    pause = threading.Event()
    server.answers = [Told(pause=pause)]
    started = time.monotonic()
    with pytest.raises(NoAnswer):
        cluster.get(NAMESPACES, "a", timeout=0.1)
    assert time.monotonic() - started < 2
    pause.set()


def test_nobody_there_is_an_error(server: Server) -> None:
    cluster = KubernetesCluster(lambda: Endpoint("http://127.0.0.1:1"))
    with pytest.raises(NoAnswer):
        cluster.get(NAMESPACES, "a")


def test_what_is_no_json_is_an_error(server: Server, cluster: KubernetesCluster) -> None:
    server.answers = [Told(chunks=[b"<html>"]), Told(502, chunks=[b"<html>bad gateway"])]
    with pytest.raises(ClusterError, match="NotJSON"):
        cluster.get(NAMESPACES, "a")
    with pytest.raises(Unavailable, match="bad gateway"):
        cluster.get(NAMESPACES, "a")


def test_a_list_is_read_in_pages_and_carries_the_version_of_the_whole(
    server: Server, cluster: KubernetesCluster
) -> None:
    server.answers = [
        Told(body={"metadata": {"resourceVersion": "7", "continue": "next"}, "items": [{"metadata": {"name": "a"}}]}),
        Told(body={"metadata": {"resourceVersion": "7"}, "items": [{"metadata": {"name": "b"}}]}),
    ]
    listing = cluster.list(NAMESPACES, limit=1)
    assert [item["metadata"]["name"] for item in listing.items] == ["a", "b"]
    assert listing.resource_version == "7"
    assert [asked.query for asked in server.asked] == [{"limit": "1"}, {"limit": "1", "continue": "next"}]


def line(event: str, name: str, version: str) -> bytes:
    return orjson.dumps({"type": event, "object": {"metadata": {"name": name, "resourceVersion": version}}}) + b"\n"


def test_events_come_as_they_are_sent_however_they_are_cut(server: Server, cluster: KubernetesCluster) -> None:
    pause = threading.Event()
    first, second, third = line("ADDED", "a", "1"), line("MODIFIED", "b", "2"), line("BOOKMARK", "", "9")
    server.answers = [Told(chunks=[first + second[:10], second[10:], third], pause=pause)]
    stream = iter(cluster.watch(NAMESPACES, "0", timeout_seconds=7))
    names = [next(stream).object["metadata"]["name"] for _ in range(2)]
    assert names == ["a", "b"], "the first two came while the server still holds the third back"
    pause.set()
    assert list(stream) == [WatchEvent("BOOKMARK", {"metadata": {"name": "", "resourceVersion": "9"}})]
    assert server.asked[0].query == {
        "watch": "1",
        "allowWatchBookmarks": "true",
        "resourceVersion": "0",
        "timeoutSeconds": "7",
    }


def test_a_watch_that_is_too_old_says_so_either_way(server: Server, cluster: KubernetesCluster) -> None:
    status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
    server.answers = [
        Told(410, status),
        Told(chunks=[orjson.dumps({"type": "ERROR", "object": status}) + b"\n"]),
    ]
    with pytest.raises(Gone):
        cluster.watch(NAMESPACES, "1")
    with pytest.raises(Gone):
        list(cluster.watch(NAMESPACES, "1"))


def test_a_watch_that_breaks_off_is_an_error_after_what_came(server: Server, cluster: KubernetesCluster) -> None:
    server.answers = [Told(chunks=[line("ADDED", "a", "1"), line("ADDED", "b", "2")[:5]], cut=True)]
    stream = iter(cluster.watch(NAMESPACES, "0"))
    assert next(stream).type == "ADDED"
    with pytest.raises(NoAnswer):
        next(stream)


def test_a_watch_can_be_closed_from_another_thread(server: Server, cluster: KubernetesCluster) -> None:
    pause = threading.Event()
    server.answers = [Told(chunks=[line("ADDED", "a", "1"), line("ADDED", "b", "2")], pause=pause)]
    stream = cluster.watch(NAMESPACES, "0")
    got: list[str] = []
    first = threading.Event()

    def read() -> None:
        for event in stream:
            got.append(event.object["metadata"]["name"])
            first.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert first.wait(5)
    stream.close()
    reader.join(3)
    assert not reader.is_alive()
    assert got == ["a"]
    pause.set()


def test_credentials_are_read_again_when_they_are_refused(server: Server) -> None:
    tokens = iter(["old", "new"])
    cluster = KubernetesCluster(lambda: Endpoint(server.host, bearer=next(tokens)))
    server.answers = [Told(401, {"reason": "Unauthorized"}), Told(), Told()]
    cluster.get(NAMESPACES, "a")
    cluster.get(NAMESPACES, "a")
    assert [asked.headers["Authorization"] for asked in server.asked] == ["Bearer old", "Bearer new", "Bearer new"]
    cluster.close()


def test_credentials_that_stay_refused_are_an_error_and_no_loop(server: Server) -> None:
    cluster = KubernetesCluster(lambda: Endpoint(server.host, bearer="bad"))
    server.answers = [Told(401, {"reason": "Unauthorized", "message": "Unauthorized"})] * 5
    with pytest.raises(ClusterError, match="401"):
        cluster.get(NAMESPACES, "a")
    assert len(server.asked) == 2
    cluster.close()


def test_connections_are_used_again(server: Server, cluster: KubernetesCluster) -> None:
    for _ in range(20):
        cluster.get(NAMESPACES, "a")
    assert server.connections == 1


def test_discovery_tells_what_is_served_and_nothing_when_it_is_not(server: Server, cluster: KubernetesCluster) -> None:
    server.answers = [Told(body={"resources": [{"name": "tiers"}, {"name": "tiers/status"}]}), Told(404)]
    assert cluster.served("projectcalico.org", "v3") == {"tiers", "tiers/status"}
    assert cluster.served("projectcalico.org", "v4") == frozenset()
    assert [asked.path for asked in server.asked] == ["/apis/projectcalico.org/v3", "/apis/projectcalico.org/v4"]


PATHS = [
    (NAMESPACES, ("", "a"), "/api/v1/namespaces/a"),
    (POLICIES, ("", ""), "/apis/projectcalico.org/v3/networkpolicies"),
    (POLICIES, ("a", "p", "status"), f"{PATH}/p/status"),
    (Resource("g", "v1", "things", False), ("a", "p"), "/apis/g/v1/things/p"),
]


@pytest.mark.parametrize(("resource", "arguments", "path"), PATHS)
def test_paths(resource: Resource, arguments: tuple[str, ...], path: str) -> None:
    assert resource.path(*arguments) == path


def test_a_manifest_belongs_to_its_resource_and_strangers_to_none() -> None:
    assert resource_of(NAMESPACED) == POLICIES
    with pytest.raises(KeyError):
        resource_of({"apiVersion": "v2", "kind": "Namespace"})
