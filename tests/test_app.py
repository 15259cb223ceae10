"""The application: a readable review is answered with HTTP 200 whatever happens, everything else is an HTTP error."""

import json
from typing import Any

import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient

from webhook import wire
from webhook.app import create_app
from webhook.http1 import DRAINING
from webhook.waiting import WouldWait, about_to_wait, without_waiting

NAMESPACE = {"group": "", "version": "v1", "kind": "Namespace"}
NAMESPACES = {"group": "", "version": "v1", "resource": "namespaces"}


def review(**changes: Any) -> bytes:
    request = {"uid": "u-1", "operation": "CREATE", "kind": NAMESPACE, "resource": NAMESPACES, "name": "dev", **changes}
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


def judge(request: wire.AdmissionRequest) -> wire.Answer:
    """Says what the object asks for."""
    match (request.object or {}).get("say"):
        case "no":
            return wire.Answer(allowed=False, code=403, reason="Forbidden", message="[r] no", rules=("r",))
        case "fail":
            raise RuntimeError("secret of ours")
        case "wait":
            about_to_wait()
            return wire.ALLOWED
        case "recurse":
            return judge(request)
        case "nonsense":
            return wire.Answer(allowed=True, patch=(wire.PatchOperation("add", "/a", object()),))
        case "annotate":
            return wire.Answer(allowed=True, audit_annotations=(("a/b", "x"),))
        case _:
            return wire.ALLOWED


class Server:
    """The application with its log at hand."""

    def __init__(self, *, ready: tuple[bool, str] = (True, "ok")) -> None:
        self.lines: list[bytes] = []
        self.app: Flask = create_app({"/judge": judge}, is_ready=lambda: ready, log=self.lines.append)
        self.client: FlaskClient = self.app.test_client()

    def post(self, body: bytes, content_type: str = "application/json", path: str = "/judge") -> tuple[int, bytes]:
        response = self.client.post(path, data=body, content_type=content_type)
        return response.status_code, response.data

    def log(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.lines]


ANSWERED: list[tuple[str, bytes, bool, int | None, str]] = [
    ("yes", review(), True, None, "allowed"),
    ("no", review(object={"say": "no"}), False, 403, "denied"),
    ("a judge that raises", review(object={"say": "fail"}), False, 500, "failed"),
    ("a judge without end", review(object={"say": "recurse"}), False, 500, "failed"),
    ("an answer that cannot be written", review(object={"say": "nonsense"}), False, 500, "failed"),
    ("garbage as object", review(object=[]), False, 422, "unreadable"),
    ("an unknown operation", review(operation="CONNECT ME"), False, 422, "unreadable"),
]


@pytest.mark.parametrize(
    ("body", "allowed", "code", "decision"), [case[1:] for case in ANSWERED], ids=[case[0] for case in ANSWERED]
)
@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8"])
def test_a_readable_review_is_answered_with_200(
    body: bytes, allowed: bool, code: int | None, decision: str, content_type: str
) -> None:
    """With the parameter in the content type the review takes the way through flask, without it the short one."""
    server = Server()
    status, data = server.post(body, content_type)
    response = orjson.loads(data)["response"]
    assert (status, response["uid"], response["allowed"]) == (200, "u-1", allowed)
    assert response.get("status", {}).get("code") == code
    assert [line["decision"] for line in server.log()] == [decision]


@pytest.mark.parametrize("body", [case[1] for case in ANSWERED], ids=[case[0] for case in ANSWERED])
def test_the_short_way_and_the_way_through_flask_give_the_same_bytes(body: bytes) -> None:
    server = Server()
    assert server.post(body, "application/json") == server.post(body, "application/json; charset=utf-8")


def test_our_own_failure_is_told_by_uid_and_its_reason_stays_in_the_log() -> None:
    server = Server()
    _, data = server.post(review(object={"say": "fail"}))
    message = orjson.loads(data)["response"]["status"]["message"]
    assert "u-1" in message
    assert "secret" not in message
    assert 'raise RuntimeError("secret of ours")' in server.log()[0]["error"]


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8"])
def test_a_judge_that_would_wait_where_it_must_not_is_asked_again_elsewhere(content_type: str) -> None:
    """That is no failure: nothing is logged or counted until there is an answer."""
    server = Server()
    body = review(object={"say": "wait"})
    with pytest.raises(WouldWait):
        without_waiting(lambda: server.post(body, content_type))
    assert server.lines == []
    assert server.post(body, content_type)[0] == 200
    assert len(server.lines) == 1


REFUSED: list[tuple[str, bytes, str, int]] = [
    ("no JSON", b"{", "application/json", 400),
    ("nothing", b"", "application/json", 400),
    ("no uid", review(uid=""), "application/json", 400),
    ("another version", review().replace(b"k8s.io/v1", b"k8s.io/v2"), "application/json", 400),
    ("too deep", b"[" * 100_000, "application/json", 400),
    ("another content type", review(), "text/plain", 415),
    ("YAML", b"a: b", "application/yaml", 415),
    ("too large", b" " * (wire.MAX_REVIEW_BYTES + 1), "application/json", 413),
    ("too large, the other way", b" " * (wire.MAX_REVIEW_BYTES + 1), "application/json; charset=utf-8", 413),
    ("no JSON, the other way", b"{", "application/json; charset=utf-8", 400),
]


@pytest.mark.parametrize(
    ("body", "content_type", "status"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_what_is_no_review_is_an_http_error(body: bytes, content_type: str, status: int) -> None:
    server = Server()
    assert server.post(body, content_type)[0] == status
    assert server.lines == []
    assert f'isolation_baseline_http_refusals_total{{status="{status}"}} 1.0' in metrics(server)


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8"])
def test_a_body_that_ends_early_is_an_http_error(content_type: str) -> None:
    response = Server().client.post(
        "/judge", data=review(), content_type=content_type, environ_overrides={"CONTENT_LENGTH": "5000"}
    )
    assert response.status_code == 400


def test_a_review_just_within_the_limit_is_read() -> None:
    body = review()
    padded = body + b" " * (wire.MAX_REVIEW_BYTES - len(body))
    assert Server().post(padded)[0] == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_a_review_is_posted(method: str) -> None:
    response = Server().client.open("/judge", method=method, data=review(), content_type="application/json")
    assert (response.status_code, response.headers["Allow"]) == (405, "OPTIONS, POST")


def test_an_unknown_path_is_not_found() -> None:
    assert Server().post(review(), path="/judge/")[0] == 404


LOGGED: list[tuple[str, bytes, dict[str, Any]]] = [
    (
        "a creation",
        review(namespace="dev", userInfo={"username": "alice"}),
        {"op": "CREATE", "resource": "namespaces", "namespace": "dev", "name": "dev", "user": "alice", "rules": []},
    ),
    ("a denial names its rules", review(object={"say": "no"}), {"decision": "denied", "rules": ["r"]}),
    (
        "a deletecollection is named by the old object",
        review(operation="DELETE", name="", oldObject={"metadata": {"name": "old"}}),
        {"op": "DELETE", "name": "old"},
    ),
    ("garbage has no name", review(name="", object={"metadata": {"name": 5}}), {"name": ""}),
    (
        "a subresource and a group",
        review(subResource="status", resource={"group": "g.io", "version": "v1", "resource": "tiers"}, dryRun=True),
        {"resource": "tiers.g.io/status", "dry_run": True},
    ),
    ("a user who would write lines of his own", review(userInfo={"username": "a\n{}"}), {"user": "a\n{}"}),
    ("a user with a very long name", review(userInfo={"username": "a" * 9999}), {"user": "a" * 252 + "…"}),
    (
        "an annotation that the API server would drop",
        review(object={"say": "annotate"}),
        {"dropped_audit_keys": ["a/b"]},
    ),
]


@pytest.mark.parametrize(("body", "expected"), [case[1:] for case in LOGGED], ids=[case[0] for case in LOGGED])
def test_every_review_is_one_line_of_the_log(body: bytes, expected: dict[str, Any]) -> None:
    server = Server()
    server.post(body)
    assert len(server.lines) == 1
    assert b"\n" not in server.lines[0]
    (line,) = server.log()
    assert {key: line[key] for key in expected} == expected
    assert line["uid"] == "u-1"
    assert line["ms"] >= 0


def test_no_object_is_logged() -> None:
    server = Server()
    server.post(review(object={"data": "password"}, oldObject={"data": "password"}))
    assert b"password" not in server.lines[0]


def test_health_does_not_depend_on_readiness() -> None:
    unready = Server(ready=(False, "no world yet"))
    assert unready.client.get("/healthz").status_code == 200
    readiness = unready.client.get("/readyz")
    assert (readiness.status_code, readiness.data) == (503, b"no world yet\n")
    assert Server().client.get("/readyz").status_code == 200


def test_a_server_that_is_stopping_is_not_ready_but_judges() -> None:
    client = Server().client
    assert client.get("/readyz", environ_overrides={DRAINING: True}).status_code == 503
    answered = client.post("/judge", data=review(), content_type="application/json", environ_overrides={DRAINING: True})
    assert answered.status_code == 200


def metrics(server: Server) -> str:
    return server.client.get("/metrics").text


def test_reviews_and_findings_are_counted() -> None:
    server = Server()
    for say in ("no", "no", "yes", "fail"):
        server.post(review(object={"say": say}))
    text = metrics(server)
    for decision, count in (("denied", 2), ("allowed", 1), ("failed", 1)):
        labels = f'decision="{decision}",operation="CREATE",path="/judge"'
        assert f"isolation_baseline_reviews_total{{{labels}}} {count}.0" in text
    assert 'isolation_baseline_findings_total{decision="denied",rule="r"} 2.0' in text
    assert 'isolation_baseline_review_seconds_count{path="/judge"} 4.0' in text


def test_a_client_cannot_make_new_labels() -> None:
    server = Server()
    for number in range(20):
        server.post(review(operation=f"OP{number}", userInfo={"username": f"u{number}"}, name=f"n{number}"))
    assert metrics(server).count("isolation_baseline_reviews_total{") == 1
