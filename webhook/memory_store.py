"""Memory store: what an API server in memory keeps: objects, versions and the past that watches replay."""

from __future__ import annotations

import base64
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import orjson

from webhook.api import Gone, Manifest, Resource, WatchEvent, name_of, namespace_of


@dataclass(frozen=True, slots=True)
class Call:
    """One request that was made: verb, resource, namespace and name, for assertions and for failures on demand."""

    verb: str
    resource: Resource
    namespace: str
    name: str
    subresource: str = ""
    dry_run: bool = False


class Store:
    """What the API server keeps; all clients of one cluster share it."""

    def __init__(self, *, unserved: frozenset[Resource], linger: bool, now: Callable[[], datetime]) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.objects: dict[tuple[Resource, str, str], Manifest] = {}
        self.history: list[tuple[int, Resource, str, bytes]] = []
        self.forgotten = 0
        self.versions = itertools.count(1)
        self.version = 0
        self.unserved = set(unserved)
        self.linger = linger
        self.now = now
        self.calls: list[Call] = []
        self.before: Callable[[Call], None] | None = None

    def put(self, event: str, resource: Resource, manifest: Manifest) -> Manifest:
        """Store (or forget) one object under a new version and tell the watches."""
        with self.changed:
            self.version = next(self.versions)
            manifest["metadata"]["resourceVersion"] = str(self.version)
            key = (resource, namespace_of(manifest), name_of(manifest))
            if event == "DELETED":
                self.objects.pop(key, None)
            else:
                self.objects[key] = manifest
            self.history.append((self.version, resource, event, orjson.dumps(manifest)))
            self.changed.notify_all()
            return copied(manifest)

    def since(self, resource: Resource, version: int) -> list[tuple[int, str, bytes]]:
        if version < self.forgotten:
            raise Gone("watch", status=410, reason="Expired", message="too old resource version")
        return [(v, event, text) for v, r, event, text in self.history if v > version and r == resource]


class Subscription:
    """A watch on the store; ends at its timeout, when closed, or, without `linger`, when there is nothing more."""

    def __init__(self, store: Store, resource: Resource, version: int, namespace: str, seconds: float) -> None:
        self._store, self._resource, self._version, self._namespace = store, resource, version, namespace
        self._end = time.monotonic() + seconds
        self._closed = False

    def __iter__(self) -> Iterator[WatchEvent]:
        while True:
            with self._store.changed:
                found = self._store.since(self._resource, self._version)
                if not found and (not self._store.linger or self._closed or time.monotonic() >= self._end):
                    break
                if not found:
                    self._store.changed.wait(max(0.0, self._end - time.monotonic()))
                    continue
            for version, event, text in found:
                self._version = version
                manifest = orjson.loads(text)
                if not self._namespace or namespace_of(manifest) == self._namespace:
                    yield WatchEvent(event, manifest)
        bookmark = {"metadata": {"resourceVersion": str(max(self._version, self._store.version))}}
        if not self._closed:
            yield WatchEvent("BOOKMARK", bookmark)

    def close(self) -> None:
        with self._store.changed:
            self._closed = True
            self._store.changed.notify_all()


def copied(manifest: Manifest) -> Manifest:
    copy: Manifest = orjson.loads(orjson.dumps(manifest))
    return copy


def merged(into: Manifest, patch: Manifest) -> Manifest:
    """RFC 7396."""
    for key, value in patch.items():
        if value is None:
            into.pop(key, None)
        elif isinstance(value, dict):
            below = into.get(key)
            into[key] = merged(below if isinstance(below, dict) else {}, value)
        else:
            into[key] = value
    return into


def patched(manifest: Manifest, encoded: str | list[Manifest]) -> Manifest:
    """The `add`, `replace` and `remove` of RFC 6902 on maps, which is all that our own mutation answers."""
    operations = orjson.loads(base64.b64decode(encoded)) if isinstance(encoded, str) else encoded
    result = copied(manifest)
    for operation in operations:
        *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        target = result
        for part in parents:
            target = target[part]
        if operation["op"] == "remove":
            del target[last]
        else:
            target[last] = operation["value"]
    return result
