"""Cluster: the door to a real API server: raw JSON over a pool of TLS connections, every call with a timeout."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import orjson
import urllib3

from webhook.api import (
    DEFAULT_TIMEOUT,
    FIELD_MANAGER,
    PAGE,
    AlreadyExists,
    Cluster,
    ClusterError,
    Conflict,
    Forbidden,
    Gone,
    Listing,
    Manifest,
    NoAnswer,
    NotFound,
    Resource,
    Stream,
    Unavailable,
    WatchEvent,
    error_of,
    name_of,
    namespace_of,
)
from webhook.kubeconfig import SERVICE_ACCOUNT, Credentials, from_kubeconfig, in_cluster
from webhook.transport import Transport

__all__ = [
    "AlreadyExists",
    "Cluster",
    "ClusterError",
    "Conflict",
    "Forbidden",
    "Gone",
    "KubernetesCluster",
    "Listing",
    "NoAnswer",
    "NotFound",
    "Resource",
    "Stream",
    "Unavailable",
    "WatchEvent",
    "connect",
]

# What the server may be silent for after the time at which it promised to end a watch.
WATCH_GRACE = 10.0


def connect(kubeconfig: str | None = None, context: str | None = None, *, user_agent: str = "") -> KubernetesCluster:
    """
    The cluster of a kubeconfig, or of the pod that we run in when none is named and there is a ServiceAccount.

    Raises:
        ClusterError: when the credentials cannot be read; whether the server answers is not tried.
    """
    if kubeconfig is None and "KUBERNETES_SERVICE_HOST" in os.environ and (SERVICE_ACCOUNT / "token").exists():
        return KubernetesCluster(in_cluster(), user_agent=user_agent)
    return KubernetesCluster(from_kubeconfig(kubeconfig, context), user_agent=user_agent)


class KubernetesCluster:
    """A real API server."""

    def __init__(self, credentials: Credentials, *, user_agent: str = "") -> None:
        self._transport = Transport(credentials, user_agent=user_agent)

    @property
    def host(self) -> str:
        return self._transport.host

    def get(self, resource: Resource, name: str, namespace: str = "", *, timeout: float = DEFAULT_TIMEOUT) -> Manifest:
        return self._call("GET", resource.path(namespace, name), timeout=timeout)

    def list(
        self, resource: Resource, namespace: str = "", *, limit: int = PAGE, timeout: float = DEFAULT_TIMEOUT
    ) -> Listing:
        items: list[Manifest] = []
        query = {"limit": str(limit)}
        while True:
            page = self._call("GET", resource.path(namespace), query=query, timeout=timeout)
            items += page.get("items") or []
            metadata = page.get("metadata") or {}
            token = metadata.get("continue")
            if not token:
                # Every page of one list carries the version of the first.
                return Listing(items, metadata.get("resourceVersion", ""))
            query = {"limit": str(limit), "continue": token}

    def watch(
        self, resource: Resource, resource_version: str, *, namespace: str = "", timeout_seconds: int = 30
    ) -> Stream:
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(timeout_seconds),
        }
        path = resource.path(namespace)
        response = self._transport.send("GET", path, query, None, timeout_seconds + WATCH_GRACE)
        if response.status != 200:
            raise _failure(f"WATCH {path}", response)
        return _Watch(f"WATCH {path}", response)

    def create(
        self, resource: Resource, manifest: Manifest, *, dry_run: bool = False, timeout: float = DEFAULT_TIMEOUT
    ) -> Manifest:
        path = resource.path(namespace_of(manifest))
        return self._call("POST", path, query=_writing(dry_run=dry_run), body=manifest, timeout=timeout)

    def apply(
        self, resource: Resource, manifest: Manifest, *, dry_run: bool = False, timeout: float = DEFAULT_TIMEOUT
    ) -> Manifest:
        path = resource.path(namespace_of(manifest), name_of(manifest))
        query = {**_writing(dry_run=dry_run), "force": "true"}
        return self._call(
            "PATCH", path, query=query, body=manifest, timeout=timeout, content="application/apply-patch+yaml"
        )

    def replace(
        self,
        resource: Resource,
        manifest: Manifest,
        *,
        subresource: str = "",
        dry_run: bool = False,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> Manifest:
        path = resource.path(namespace_of(manifest), name_of(manifest), subresource)
        return self._call("PUT", path, query=_writing(dry_run=dry_run), body=manifest, timeout=timeout)

    def patch(
        self,
        resource: Resource,
        name: str,
        body: Manifest,
        namespace: str = "",
        *,
        subresource: str = "",
        dry_run: bool = False,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> Manifest:
        path = resource.path(namespace, name, subresource)
        query = _writing(dry_run=dry_run)
        return self._call(
            "PATCH", path, query=query, body=body, timeout=timeout, content="application/merge-patch+json"
        )

    def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        uid: str = "",
        dry_run: bool = False,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        body: Manifest = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if uid:
            body["preconditions"] = {"uid": uid}
        if dry_run:
            # In the body: of a DELETE that has one, the API server does not read the query, and would delete.
            body["dryRun"] = ["All"]
        self._call("DELETE", resource.path(namespace, name), body=body, timeout=timeout)

    def served(self, group: str, version: str, *, timeout: float = DEFAULT_TIMEOUT) -> frozenset[str]:
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        try:
            answer = self._call("GET", path, timeout=timeout)
        except NotFound:
            return frozenset()
        return frozenset(entry["name"] for entry in answer.get("resources") or ())

    def close(self) -> None:
        """Close the idle connections."""
        self._transport.close()

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: Manifest | None = None,
        timeout: float,
        content: str = "application/json",
    ) -> Manifest:
        response = self._transport.send(method, path, query, body, timeout, content, preload=True)
        if not 200 <= response.status < 300:
            raise _failure(f"{method} {path}", response)
        return _object(f"{method} {path}", response.data)


class _Watch:
    """The lines of one watch response."""

    def __init__(self, request: str, response: urllib3.BaseHTTPResponse) -> None:
        self._request = request
        self._response = response
        self._closed = False

    def __iter__(self) -> Iterator[WatchEvent]:
        rest = b""
        try:
            # read_chunked yields a chunk as soon as it came, and the API server sends an event as a chunk.
            for chunk in self._response.stream(1 << 16, decode_content=True):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (_event(self._request, line) for line in lines if line)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as e:
            if not self._closed:
                raise NoAnswer(self._request, reason=type(e).__name__, message=str(e)) from e
        finally:
            self._response.close()

    def close(self) -> None:
        self._closed = True
        # A response that was read to its end has nothing left to shut down.
        with suppress(ValueError, OSError):
            self._response.shutdown()


def _event(request: str, line: bytes) -> WatchEvent:
    event = _object(request, line)
    found = event.get("object") or {}
    if event.get("type") == "ERROR":
        raise error_of(request, found.get("code") or 0, found.get("reason") or "", found.get("message") or "")
    return WatchEvent(event.get("type", ""), found)


def _object(request: str, text: bytes) -> Manifest:
    try:
        value: Any = orjson.loads(text)
    except orjson.JSONDecodeError as e:
        raise ClusterError(request, reason="NotJSON", message=str(e)) from e
    if not isinstance(value, dict):
        raise ClusterError(request, reason="NotJSON", message="expected an object")
    return value


def _failure(request: str, response: urllib3.BaseHTTPResponse) -> ClusterError:
    try:
        data = response.data
    except (urllib3.exceptions.HTTPError, OSError):
        data = b""
    try:
        status = orjson.loads(data)
    except orjson.JSONDecodeError:
        status = {"message": data[:200].decode(errors="replace")}
    if not isinstance(status, dict):
        status = {}
    return error_of(request, response.status, status.get("reason") or "", status.get("message") or "")


def _writing(*, dry_run: bool) -> dict[str, str]:
    return {"fieldManager": FIELD_MANAGER, **({"dryRun": "All"} if dry_run else {})}
