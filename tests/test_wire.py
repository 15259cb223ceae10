"""The wire: what is read from a review, what is refused as none, and that an answer survives the API server."""

import base64
import dataclasses
import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.wire import (
    ALLOWED,
    AdmissionRequest,
    Answer,
    Cause,
    GroupVersionKind,
    GroupVersionResource,
    InvalidReview,
    PatchOperation,
    User,
    add_label,
    add_labels,
    encode,
    invalid_audit_keys,
    parse,
)

MINIMAL: dict[str, Any] = {
    "uid": "u-1",
    "operation": "CREATE",
    "kind": {"group": "", "version": "v1", "kind": "Namespace"},
    "resource": {"group": "", "version": "v1", "resource": "namespaces"},
}


def review(**changes: Any) -> bytes:
    """A minimal valid review, and what the test is about."""
    request = {**MINIMAL, **changes}
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


MINIMAL_REQUEST = AdmissionRequest(
    uid="u-1",
    operation="CREATE",
    kind=GroupVersionKind("", "v1", "Namespace"),
    resource=GroupVersionResource("", "v1", "namespaces"),
    sub_resource="",
    namespace="",
    name="",
    user=User(""),
    object=None,
    old_object=None,
    options=None,
    dry_run=False,
)

READ: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("what is absent is empty", {}, {}),
    ("null is absent", dict.fromkeys(("name", "namespace", "subResource", "object", "oldObject", "dryRun")), {}),
    ("names", {"name": "web", "namespace": "shop"}, {"name": "web", "namespace": "shop"}),
    ("a subresource", {"subResource": "finalize"}, {"sub_resource": "finalize"}),
    ("a dry run", {"dryRun": True}, {"dry_run": True}),
    ("an object that makes no sense", {"object": {"metadata": 5}}, {"object": {"metadata": 5}}),
    (
        "a deletion",
        {"operation": "DELETE", "oldObject": {"kind": "Namespace"}, "options": {"kind": "DeleteOptions"}},
        {"operation": "DELETE", "old_object": {"kind": "Namespace"}, "options": {"kind": "DeleteOptions"}},
    ),
    (
        "who asks",
        {"userInfo": {"username": "alice", "uid": "7", "groups": ["a", "b"], "extra": {"k": ["v", "w"]}}},
        {"user": User("alice", "7", ("a", "b"), (("k", ("v", "w")),))},
    ),
    (
        "a sub resource of a custom resource",
        {
            "kind": {"group": "crd.projectcalico.org", "version": "v1", "kind": "Tier"},
            "resource": {"group": "crd.projectcalico.org", "version": "v1", "resource": "tiers"},
        },
        {
            "kind": GroupVersionKind("crd.projectcalico.org", "v1", "Tier"),
            "resource": GroupVersionResource("crd.projectcalico.org", "v1", "tiers"),
        },
    ),
]


@pytest.mark.parametrize(("changes", "expected"), [case[1:] for case in READ], ids=[case[0] for case in READ])
def test_a_review_is_read(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    assert parse(review(**changes)) == dataclasses.replace(MINIMAL_REQUEST, **expected)


NO_REVIEW: list[tuple[str, bytes, str]] = [
    ("nothing", b"", ""),
    ("cut off", review()[:-1], ""),
    ("no object", b"[1]", ""),
    ("NaN", review().replace(b'"u-1"', b"NaN"), ""),
    ("a number beyond a double", review().replace(b'"u-1"', b"1e400"), ""),
    ("five thousand digits", review().replace(b'"u-1"', b"9" * 5000), ""),
    ("no UTF-8", review().replace(b"u-1", b"\xff"), ""),
    ("half a surrogate pair", review().replace(b"u-1", b"\\ud800"), ""),
    ("a hundred thousand levels", b"[" * 100_000, ""),
    ("v1beta1", review().replace(b"k8s.io/v1", b"k8s.io/v1beta1"), "apiVersion"),
    ("another kind", review().replace(b"AdmissionReview", b"ConversionReview"), "kind"),
    ("no request", b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}', "request"),
    ("no uid", review(uid=None), "request.uid"),
    ("an empty uid", review(uid=""), "request.uid"),
    ("a number as uid", review(uid=5), "request.uid"),
    ("a uid of a megabyte", review(uid="u" * 1_000_000), "request.uid"),
]


@pytest.mark.parametrize(("body", "path"), [case[1:] for case in NO_REVIEW], ids=[case[0] for case in NO_REVIEW])
def test_what_is_no_review_cannot_be_answered(body: bytes, path: str) -> None:
    with pytest.raises(InvalidReview) as refused:
        parse(body)
    assert (refused.value.path, refused.value.uid) == (path, "")


UNREADABLE: list[tuple[str, dict[str, Any], str]] = [
    ("an unknown operation", {"operation": "PATCH"}, "request.operation: expected CREATE, UPDATE, DELETE or CONNECT"),
    ("a list as object", {"object": []}, "request.object: expected an object"),
    ("text as old object", {"oldObject": "x"}, "request.oldObject: expected an object"),
    ("a number as namespace", {"namespace": 3}, "request.namespace: expected text"),
    ("no kind", {"kind": None}, "request.kind: expected an object"),
    ("a number as resource", {"resource": {"resource": 1}}, "request.resource: expected text"),
    ("text as dry run", {"dryRun": "true"}, "request.dryRun: expected true or false"),
    ("text as groups", {"userInfo": {"groups": "admins"}}, "request.userInfo.groups: expected a list of texts"),
    ("numbers in extra", {"userInfo": {"extra": {"k": [1]}}}, "request.userInfo.extra: expected a list of texts"),
]


@pytest.mark.parametrize(("changes", "text"), [case[1:] for case in UNREADABLE], ids=[case[0] for case in UNREADABLE])
def test_a_review_with_a_uid_can_be_answered_whatever_else_it_holds(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidReview) as refused:
        parse(review(**changes))
    assert (str(refused.value), refused.value.uid) == (text, "u-1")


def test_the_last_of_duplicate_keys_counts_as_for_the_api_server() -> None:
    assert parse(review().replace(b'"u-1"', b'"u-0", "uid": "u-2"')).uid == "u-2"


def test_nesting_up_to_the_documented_limit_is_read_and_one_level_more_is_not() -> None:
    # The review, the request and the object are three levels of the 1,024.
    assert parse(review(object={"deep": 0}).replace(b"0", b"[" * 1021 + b"]" * 1021)).object is not None
    with pytest.raises(InvalidReview):
        parse(review(object={"deep": 0}).replace(b"0", b"[" * 1022 + b"]" * 1022))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(
    ["uid", "operation", "kind", "resource", "subResource", "namespace", "name", "userInfo", "object", "oldObject"]
)


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_and_any_json_are_a_review_or_an_invalid_review(body: bytes) -> None:
    with pytest.raises(InvalidReview):
        parse(body)


@given(st.dictionaries(keys, json_values, max_size=4))
def test_any_request_is_read_or_refused_with_its_uid(changes: dict[str, Any]) -> None:
    body = review(**changes)
    try:
        uid = parse(body).uid
    except InvalidReview as refused:
        uid = refused.uid
    assert uid == _uid_of(body)


def _uid_of(body: bytes) -> str:
    """The uid, wherever there is one that can be echoed."""
    try:
        uid = orjson.loads(body)["request"]["uid"]
    except orjson.JSONDecodeError:
        return ""
    return uid if isinstance(uid, str) else ""


def response(answer: Answer) -> dict[str, Any]:
    review: dict[str, Any] = orjson.loads(encode("u-1", answer))
    assert review.keys() == {"apiVersion", "kind", "response"}
    assert (review["apiVersion"], review["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    inner: dict[str, Any] = review["response"]
    return inner


DENIED = Answer(allowed=False, code=403, reason="Forbidden", message="[x] no: why; fix")
SENT: list[tuple[str, Answer, dict[str, Any]]] = [
    ("nothing but yes", ALLOWED, {"uid": "u-1", "allowed": True}),
    (
        "a denial with its findings",
        dataclasses.replace(DENIED, causes=(Cause("spec.order", "order-declared", "no order"),), rules=("x",)),
        {
            "uid": "u-1",
            "allowed": False,
            "status": {
                "status": "Failure",
                "code": 403,
                "reason": "Forbidden",
                "message": "[x] no: why; fix",
                "details": {
                    "causes": [{"field": "spec.order", "reason": "order-declared", "message": "no order"}],
                },
            },
        },
    ),
    (
        "line breaks stay, what a terminal acts on is spelt out",
        dataclasses.replace(DENIED, message="a\nb\x1b[2J\u202e\t\ud800"),
        {
            "uid": "u-1",
            "allowed": False,
            "status": {
                "status": "Failure",
                "code": 403,
                "reason": "Forbidden",
                "message": "a\nb\\x1b[2J\\u202e\\t\\ud800",
            },
        },
    ),
    (
        "audit annotations that are qualified names",
        Answer(
            allowed=True,
            audit_annotations=(
                ("rule", "a\u0007"),
                ("UPPER_ok.x", "b"),
                ("k" * 63, "c"),
                ("k" * 64, "d"),
                ("a/b", "e"),
            ),
        ),
        {"uid": "u-1", "allowed": True, "auditAnnotations": {"rule": "a\\x07", "UPPER_ok.x": "b", "k" * 63: "c"}},
    ),
]


@pytest.mark.parametrize(("answer", "expected"), [case[1:] for case in SENT], ids=[case[0] for case in SENT])
def test_an_answer_is_written(answer: Answer, expected: dict[str, Any]) -> None:
    assert response(answer) == expected


def test_a_patch_is_base64_and_names_its_type() -> None:
    inner = response(Answer(allowed=True, patch=(PatchOperation("add", "/a", {}), PatchOperation("remove", "/b"))))
    assert inner.pop("patchType") == "JSONPatch"
    assert orjson.loads(base64.b64decode(inner.pop("patch"))) == [
        {"op": "add", "path": "/a", "value": {}},
        {"op": "remove", "path": "/b"},
    ]
    assert inner == {"uid": "u-1", "allowed": True}


def test_the_keys_left_out_are_told_to_us() -> None:
    pairs = (("ok", ""), ("k" * 70, ""), ("a/b", ""), ("-a", ""), ("", ""))
    assert invalid_audit_keys(Answer(allowed=True, audit_annotations=pairs)) == ("k" * 70, "a/b", "-a", "")


NO_ANSWER: list[tuple[str, dict[str, Any]]] = [
    ("a denial with a code that is none", {"code": 200, "reason": "Forbidden", "message": "m"}),
    ("a denial without a reason", {"code": 403, "message": "m"}),
    ("a denial without a message", {"code": 403, "reason": "Forbidden"}),
    (
        "a denial with a patch",
        {"code": 403, "reason": "Forbidden", "message": "m", "patch": (PatchOperation("remove", "/a"),)},
    ),
]


@pytest.mark.parametrize("fields", [case[1] for case in NO_ANSWER], ids=[case[0] for case in NO_ANSWER])
def test_a_denial_that_the_api_server_would_garble_cannot_be_made(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a denial"):
        Answer(allowed=False, **fields)


WARNINGS: list[tuple[str, list[str], list[str]]] = [
    ("none", [], []),
    ("one", ["[rule] thing: why"], ["[rule] thing: why"]),
    ("line breaks and tabs become blanks", ["a\r\n\tb\nc"], ["a b c"]),
    ("control characters are spelt out", ["a\x00b\x1b"], ["a\\x00b\\x1b"]),
    ("none twice, also when only blanks differ", ["a b", "a\nb", "c"], ["a b", "c"]),
    ("other scripts stay", ["größe 名前"], ["größe 名前"]),
    ("256 characters stay", ["x" * 256], ["x" * 256]),
    ("257 are cut, and one sees it", ["x" * 257], ["x" * 255 + "…"]),
    ("sixteen stay", [f"w{n}" for n in range(16)], [f"w{n}" for n in range(16)]),
    ("of seventeen, fifteen", [f"w{n}" for n in range(17)], [f"w{n}" for n in range(15)] + ["and 2 more warnings"]),
    (
        "sixteen long ones would have the API server cut and drop",
        [f"{n:02}" + "x" * 254 for n in range(16)],
        [f"{n:02}" + "x" * 254 for n in range(15)] + ["and 1 more warnings"],
    ),
]


@pytest.mark.parametrize(("given_", "sent"), [case[1:] for case in WARNINGS], ids=[case[0] for case in WARNINGS])
def test_warnings(given_: list[str], sent: list[str]) -> None:
    assert response(Answer(allowed=True, warnings=tuple(given_))).get("warnings", []) == sent


@given(st.lists(st.text() | st.text(min_size=200, max_size=400), max_size=40))
def test_no_warning_is_lost_without_a_word(texts: list[str]) -> None:
    sent = response(Answer(allowed=True, warnings=tuple(texts))).get("warnings", [])
    assert len(sent) <= 16
    assert sum(map(len, sent)) < 4096
    assert all(len(line) <= 256 for line in sent)
    assert not any(ord(character) < 32 for line in sent for character in line)
    assert bool(sent) == bool(texts)


@given(st.text(), st.text(), st.text())
def test_any_text_can_be_sent(message: str, key: str, value: str) -> None:
    """Text that is no UTF-8 would otherwise fail in the encoder, after the decision."""
    answer = dataclasses.replace(DENIED, message=message or "m", warnings=(value,), audit_annotations=((key, value),))
    assert response(answer)["allowed"] is False


def test_a_thousand_findings_are_counted_and_a_long_message_shows_that_it_was_cut() -> None:
    causes = tuple(Cause(f"spec.ingress[{n}]", "rule", "m") for n in range(1000))
    status = response(dataclasses.replace(DENIED, causes=causes, message="m" * 100_000))["status"]
    assert len(status["details"]["causes"]) == 65
    assert status["details"]["causes"][-1]["message"] == "and 936 more findings"
    assert (len(status["message"]), status["message"][-1]) == (16_384, "…")


LABELS: list[tuple[str, dict[str, Any], list[tuple[str, str, Any]]]] = [
    ("labels are there", {"metadata": {"labels": {"a": "b"}}}, [("add", "/metadata/labels/env", "dev")]),
    ("another value is replaced", {"metadata": {"labels": {"env": "x"}}}, [("add", "/metadata/labels/env", "dev")]),
    ("the label is there", {"metadata": {"labels": {"env": "dev"}}}, []),
    (
        "no labels, as with generateName",
        {"metadata": {"generateName": "x-"}},
        [("add", "/metadata/labels", {}), ("add", "/metadata/labels/env", "dev")],
    ),
    (
        "labels are null",
        {"metadata": {"labels": None}},
        [("add", "/metadata/labels", {}), ("add", "/metadata/labels/env", "dev")],
    ),
    (
        "no metadata",
        {},
        [("add", "/metadata", {}), ("add", "/metadata/labels", {}), ("add", "/metadata/labels/env", "dev")],
    ),
]


@pytest.mark.parametrize(("manifest", "expected"), [case[1:] for case in LABELS], ids=[case[0] for case in LABELS])
def test_a_label_is_added_with_the_maps_it_needs(
    manifest: dict[str, Any], expected: list[tuple[str, str, Any]]
) -> None:
    assert add_label(manifest, "env", "dev") == tuple(PatchOperation(*operation) for operation in expected)


def test_keys_are_escaped_and_several_labels_share_the_map() -> None:
    assert add_labels({"metadata": {}}, {"b~/c": "2", "a": "1"}) == (
        PatchOperation("add", "/metadata/labels", {}),
        PatchOperation("add", "/metadata/labels/a", "1"),
        PatchOperation("add", "/metadata/labels/b~0~1c", "2"),
    )
