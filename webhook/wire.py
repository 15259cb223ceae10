"""Wire: AdmissionReview v1 as bytes, in and out, with the API server's rules about them; no judgement, no IO."""

import base64
import re
from dataclasses import dataclass
from typing import Any

import orjson

from webhook.patch import PatchOperation, add_label, add_labels
from webhook.text import cut, presentable_warnings, printable

__all__ = [
    "ALLOWED",
    "MAX_REVIEW_BYTES",
    "AdmissionRequest",
    "Answer",
    "Cause",
    "GroupVersionKind",
    "GroupVersionResource",
    "InvalidReview",
    "PatchOperation",
    "User",
    "add_label",
    "add_labels",
    "encode",
    "invalid_audit_keys",
    "parse",
]

# The API server takes objects up to 3 MiB; an UPDATE carries two of them. 1 MiB for what is around.
MAX_REVIEW_BYTES = 7 * 1024 * 1024
# The API server sends a UUID. Whatever is sent is echoed, so it is bounded.
MAX_UID = 128

# What a client is shown at most. The API server reads an answer without any bound, and keeps it in its audit log.
MAX_MESSAGE = 16_384
MAX_CAUSES = 64
# The API server puts `<webhook name>/` in front and drops what then is no qualified name: 63 characters, no slash.
_AUDIT_KEY = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


class InvalidReview(ValueError):  # noqa: N818  # the word says it already; as InvalidObject
    """The bytes are no AdmissionReview v1; with a `uid` they can still be answered, and are to be refused."""

    def __init__(self, path: str, message: str, *, uid: str = "") -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path
        self.message = message
        self.uid = uid


@dataclass(frozen=True, slots=True)
class GroupVersionKind:
    group: str
    version: str
    kind: str


@dataclass(frozen=True, slots=True)
class GroupVersionResource:
    group: str
    version: str
    resource: str


@dataclass(frozen=True, slots=True)
class User:
    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class AdmissionRequest:
    """One request as the API server describes it; text that is absent on the wire is the empty string."""

    uid: str
    operation: str
    kind: GroupVersionKind
    resource: GroupVersionResource
    sub_resource: str
    namespace: str
    name: str
    user: User
    # JSON enters here and ends in parse(): objects are whatever the API server stores, or would store.
    object: dict[str, Any] | None
    old_object: dict[str, Any] | None
    options: dict[str, Any] | None
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Cause:
    """One finding as `status.details.causes` carries it: machine readable reason, field path, text."""

    field: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered to one request. `rules` are for our own log and metrics, and are not sent."""

    allowed: bool
    code: int = 0
    reason: str = ""
    message: str = ""
    causes: tuple[Cause, ...] = ()
    warnings: tuple[str, ...] = ()
    audit_annotations: tuple[tuple[str, str], ...] = ()
    patch: tuple[PatchOperation, ...] = ()
    rules: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # A denial without these is our bug: the API server would call it 400, and kubectl would give no reason.
        if not self.allowed and not (400 <= self.code <= 599 and self.reason and self.message):
            raise ValueError("a denial needs a code from 400 to 599, a reason and a message")
        if not self.allowed and self.patch:
            raise ValueError("a denial patches nothing")


ALLOWED = Answer(allowed=True)


def parse(body: bytes) -> AdmissionRequest:
    """
    Read one AdmissionReview v1.

    JSON is RFC 8259 UTF-8: no NaN, no number beyond a double, at most 1,024 levels (orjson's own limit); the last of
    duplicate keys counts, as for the API server.

    Raises:
        InvalidReview: with the uid as soon as that could be read.
    """
    try:
        review = orjson.loads(body)
    except orjson.JSONDecodeError as e:
        raise InvalidReview("", f"expected JSON: {e}") from None
    if not isinstance(review, dict):
        raise InvalidReview("", "expected a JSON object")
    for key, expected in (("apiVersion", "admission.k8s.io/v1"), ("kind", "AdmissionReview")):
        if review.get(key) != expected:
            raise InvalidReview(key, f"expected `{expected}`")
    request = review.get("request")
    if not isinstance(request, dict):
        raise InvalidReview("request", "expected an object")
    uid = request.get("uid")
    if not isinstance(uid, str) or not 0 < len(uid) <= MAX_UID:
        raise InvalidReview("request.uid", f"expected text of 1 to {MAX_UID} characters")
    try:
        return _request(uid, request)
    except InvalidReview as e:
        raise InvalidReview(e.path, e.message, uid=uid) from None


def _request(uid: str, request: dict[str, Any]) -> AdmissionRequest:
    operation = _text(request, "operation")
    if operation not in ("CREATE", "UPDATE", "DELETE", "CONNECT"):
        raise InvalidReview("request.operation", "expected CREATE, UPDATE, DELETE or CONNECT")
    kind = _names(request, "kind")
    resource = _names(request, "resource")
    dry_run = request.get("dryRun")
    if dry_run is not None and not isinstance(dry_run, bool):
        raise InvalidReview("request.dryRun", "expected true or false")
    return AdmissionRequest(
        uid=uid,
        operation=operation,
        kind=GroupVersionKind(_text(kind, "group"), _text(kind, "version"), _text(kind, "kind")),
        resource=GroupVersionResource(
            _text(resource, "group"), _text(resource, "version"), _text(resource, "resource")
        ),
        sub_resource=_text(request, "subResource"),
        namespace=_text(request, "namespace"),
        name=_text(request, "name"),
        user=_user(_object(request, "userInfo") or {}),
        object=_object(request, "object"),
        old_object=_object(request, "oldObject"),
        options=_object(request, "options"),
        dry_run=dry_run or False,
    )


def _text(holder: dict[str, Any], key: str) -> str:
    value = holder.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidReview(f"request.{key}", "expected text")
    return value


def _object(holder: dict[str, Any], key: str) -> dict[str, Any] | None:
    value = holder.get(key)
    if value is not None and not isinstance(value, dict):
        raise InvalidReview(f"request.{key}", "expected an object")
    return value


def _names(request: dict[str, Any], key: str) -> dict[str, Any]:
    value = _object(request, key)
    if value is None:
        raise InvalidReview(f"request.{key}", "expected an object")
    return value


def _user(info: dict[str, Any]) -> User:
    extra = _object(info, "extra") or {}
    return User(
        name=_text(info, "username"),
        uid=_text(info, "uid"),
        groups=_texts(info.get("groups"), "request.userInfo.groups"),
        extra=tuple((key, _texts(values, "request.userInfo.extra")) for key, values in extra.items()),
    )


def _texts(values: object, path: str) -> tuple[str, ...]:
    if values is None:
        return ()
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InvalidReview(path, "expected a list of texts")
    return tuple(values)


def encode(uid: str, answer: Answer) -> bytes:
    """Write the review that answers the request `uid`. What the API server would drop or refuse is never in it."""
    response: dict[str, Any] = {"uid": uid, "allowed": answer.allowed}
    if not answer.allowed:
        response["status"] = _status(answer)
    if answer.warnings:
        response["warnings"] = presentable_warnings(answer.warnings)
    if answer.audit_annotations:
        response["auditAnnotations"] = {
            key: printable(value) for key, value in answer.audit_annotations if _AUDIT_KEY.fullmatch(key)
        }
    if answer.patch:
        operations = [_operation(operation) for operation in answer.patch]
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(orjson.dumps(operations)).decode("ascii")
    return orjson.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})


def invalid_audit_keys(answer: Answer) -> tuple[str, ...]:
    """The keys that `encode` leaves out because the API server would: each is a bug of ours, to be logged."""
    return tuple(key for key, _ in answer.audit_annotations if not _AUDIT_KEY.fullmatch(key))


def _status(answer: Answer) -> dict[str, Any]:
    causes = [
        {"reason": cause.reason, "field": cause.field, "message": cut(printable(cause.message), MAX_MESSAGE)}
        for cause in answer.causes[:MAX_CAUSES]
    ]
    if len(answer.causes) > MAX_CAUSES:
        causes.append(
            {"reason": answer.reason, "field": "", "message": f"and {len(answer.causes) - MAX_CAUSES} more findings"}
        )
    status: dict[str, Any] = {
        "status": "Failure",
        "code": answer.code,
        "reason": answer.reason,
        "message": cut(printable(answer.message), MAX_MESSAGE),
    }
    if causes:
        status["details"] = {"causes": causes}
    return status


def _operation(operation: PatchOperation) -> dict[str, Any]:
    if operation.op == "remove":
        return {"op": operation.op, "path": operation.path}
    return {"op": operation.op, "path": operation.path, "value": operation.value}
