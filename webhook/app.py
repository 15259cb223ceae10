"""App: the HTTP side of the webhook; reviews in, answers out, and nothing decided here but what cannot be judged."""

import os
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import orjson
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, UnsupportedMediaType

from webhook import wire
from webhook.http1 import DRAINING
from webhook.metrics import Metrics
from webhook.text import cut

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Judge = Callable[[wire.AdmissionRequest], wire.Answer]
Log = Callable[[bytes], None]

# Names longer than Kubernetes admits are somebody's joke, and not for our log.
MAX_LOGGED = 253
MAX_FRAMES = 30


def create_app(
    judges: Mapping[str, Judge],
    *,
    is_ready: Callable[[], tuple[bool, str]],
    metrics: Metrics | None = None,
    log: Log | None = None,
) -> Flask:
    """
    The application: one POST route for each judge, and /healthz, /readyz and /metrics.

    A review that can be read is answered with HTTP 200 whatever happens: any other status is for the API server
    a failed call, which a webhook that fails open turns into an allow.
    """
    app = Flask("webhook")
    app.config["MAX_CONTENT_LENGTH"] = wire.MAX_REVIEW_BYTES
    counts = metrics or Metrics()
    reviews = _Reviews(judges, counts, log or write_line)

    def review() -> Response:
        if request.mimetype != "application/json":
            raise UnsupportedMediaType("expected application/json")
        try:
            # Raises 400 when the body ends before its Content-Length.
            answer = reviews.answer(request.path, request.get_data(cache=False))
        except wire.InvalidReview as e:
            return reviews.refuse(400, str(e))
        return Response(answer, content_type="application/json")

    for number, path in enumerate(judges):
        app.add_url_rule(path, f"review-{number}", review, methods=["POST"])

    @app.get("/healthz")
    def healthz() -> Response:
        # Nothing but this process: a restart cures neither the API server nor a bad setting.
        return _text(200, "ok")

    @app.get("/readyz")
    def readyz() -> Response:
        if request.environ.get(DRAINING):
            return _text(503, "stopping")
        ready, why = is_ready()
        return _text(200 if ready else 503, why)

    @app.get("/metrics")
    def exposition() -> Response:
        body, content_type = counts.exposition()
        return Response(body, content_type=content_type)

    @app.errorhandler(HTTPException)
    def refuse(error: HTTPException) -> Response:
        response = reviews.refuse(error.code or 500, error.description or error.name)
        if isinstance(error, MethodNotAllowed):
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
        return response

    app.wsgi_app = _ReviewsFirst(reviews, app.wsgi_app)  # type: ignore[method-assign]  # how flask adds middleware
    return app


def write_line(line: bytes) -> None:
    """One event a line on standard error, in one write so that lines of several processes do not mix."""
    # Nobody reads the log any more: that is no reason to stop judging.
    with suppress(OSError):
        os.write(2, line + b"\n")


class _Reviews:
    """Bytes of a review to bytes of its answer, with its log line and its counts."""

    def __init__(self, judges: Mapping[str, Judge], metrics: Metrics, log: Log) -> None:
        self.judges = dict(judges)
        self._metrics = metrics
        self._log = log

    def answer(self, path: str, body: bytes) -> bytes:
        """Raises InvalidReview when there is nothing that an answer could be given to."""
        start = time.perf_counter()
        try:
            review = wire.parse(body)
        except wire.InvalidReview as e:
            if not e.uid:
                raise
            answer = wire.Answer(allowed=False, code=422, reason="Invalid", message=f"unreadable review: {e}")
            self._record(path, start, {"uid": e.uid, "decision": "unreadable", "error": cut(str(e), MAX_LOGGED)})
            return wire.encode(e.uid, answer)
        line = _line(review)
        try:
            answer = self.judges[path](review)
            encoded = wire.encode(review.uid, answer)
        except Exception:  # noqa: BLE001  # the one handler of our own faults: logged whole, answered with no
            line |= {"decision": "failed", "error": traceback.format_exc(limit=-MAX_FRAMES)}
            encoded = wire.encode(review.uid, _fault(review.uid))
        else:
            line["decision"] = "allowed" if answer.allowed else "denied"
            line["rules"] = answer.rules
            if dropped := wire.invalid_audit_keys(answer):
                line["dropped_audit_keys"] = dropped
        self._record(path, start, line)
        return encoded

    def refuse(self, status: int, why: str) -> Response:
        """The answer to what is no review."""
        self._metrics.refused(status)
        return _text(status, why)

    def _record(self, path: str, start: float, line: dict[str, Any]) -> None:
        seconds = time.perf_counter() - start
        line["ms"] = round(seconds * 1000, 2)
        self._metrics.reviewed(path, line.get("op", ""), line["decision"], line.get("rules", ()), seconds)
        self._log(orjson.dumps(line))


class _ReviewsFirst:
    """
    WSGI middleware: a well-formed POST of a review goes past flask, all else goes to flask.

    Flask's routing and request objects cost more than judging does (measured by benchmarks/serving.py); both ways
    lead to the same `_Reviews.answer`, and a test holds them to the same bytes.
    """

    def __init__(self, reviews: _Reviews, flask: "WSGIApplication") -> None:
        self._reviews = reviews
        self._flask = flask

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if (
            environ["REQUEST_METHOD"] == "POST"
            and environ["PATH_INFO"] in self._reviews.judges
            and environ.get("CONTENT_TYPE") == "application/json"
            and (length := _length(environ.get("CONTENT_LENGTH", "")))
        ):
            body = environ["wsgi.input"].read(length)
            try:
                if len(body) != length:
                    raise wire.InvalidReview("", "the body ends early")
                answer = self._reviews.answer(environ["PATH_INFO"], body)
            except wire.InvalidReview as e:
                return self._reviews.refuse(400, str(e))(environ, start_response)
            start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
            return [answer]
        return self._flask(environ, start_response)


def _length(text: str) -> int:
    """The length of a body that may be read at once, or 0."""
    # More digits than the limit has are no length; int() on very many would be slow.
    length = int(text) if len(text) <= 8 and text.isascii() and text.isdigit() else 0
    return length if length <= wire.MAX_REVIEW_BYTES else 0


def _line(review: wire.AdmissionRequest) -> dict[str, Any]:
    """The keys of a log line that say which request it is about; never any object."""
    resource = ".".join(filter(None, (review.resource.resource, review.resource.group)))
    return {
        "uid": review.uid,
        "op": review.operation,
        "resource": cut(f"{resource}/{review.sub_resource}" if review.sub_resource else resource, MAX_LOGGED),
        "namespace": cut(review.namespace, MAX_LOGGED),
        "name": cut(review.name or _stored_name(review), MAX_LOGGED),
        "user": cut(review.user.name, MAX_LOGGED),
        "dry_run": review.dry_run,
    }


def _stored_name(review: wire.AdmissionRequest) -> str:
    """A deletecollection names nothing in the request: only the old object tells which object it is about."""
    metadata = (review.old_object or review.object or {}).get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else ""


def _fault(uid: str) -> wire.Answer:
    """Closed, for we cannot tell what we would have said; the log has the reason under this uid."""
    message = f"the review failed inside the webhook, so the request is refused; see its log for uid {uid}"
    return wire.Answer(allowed=False, code=500, reason="InternalError", message=message)


def _text(status: int, text: str) -> Response:
    return Response(f"{text}\n", status=status, content_type="text/plain; charset=utf-8")
