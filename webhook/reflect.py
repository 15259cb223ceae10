"""Reflect: one resource followed for ever into a sink: list, watch, resume, relist when the past is gone."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Protocol

from webhook.api import Cluster, ClusterError, Gone, Listing, Manifest, NotFound, Resource, Stream, version_of

log = logging.getLogger(__name__)

# A watch is renewed this often, so that silence never lasts longer: contact is proven by every renewal.
WATCH_SECONDS = 30
LIST_TIMEOUT = 30.0
# A resource that is not served may be, once somebody installs its definition.
ABSENT_SECONDS = 20.0
# A server that ends watches at once is not asked more often than this.
SHORTEST_WATCH = 1.0
FIRST_PAUSE = 0.25
LONGEST_PAUSE = 30.0


class Sink(Protocol):
    """Where the objects of a resource go; called by one thread for each resource."""

    def replace(self, resource: Resource, listing: Listing) -> None:
        """These are all the objects there are; what is not among them has vanished."""
        ...

    def apply(self, resource: Resource, event: str, manifest: Manifest) -> None:
        """One ADDED, MODIFIED or DELETED."""
        ...


class Reflector:
    """Follows one resource into a sink. `step` does one turn and says how long to pause; `run` is a thread's body."""

    def __init__(
        self,
        cluster: Cluster,
        resource: Resource,
        sink: Sink,
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        watch_seconds: int = WATCH_SECONDS,
    ) -> None:
        self.resource = resource
        self.synced = threading.Event()
        self.contact = float("-inf")
        self.error = ""
        self._cluster, self._sink, self._clock, self._jitter = cluster, sink, clock, jitter
        self._watch_seconds = watch_seconds
        self._version = ""
        self._failures = 0
        self._absent = False
        self._stopping = threading.Event()
        self._stream: Stream | None = None

    def run(self) -> None:
        while not self._stopping.is_set():
            self._stopping.wait(self.step())

    def stop(self) -> None:
        self._stopping.set()
        stream = self._stream
        if stream is not None:
            stream.close()

    def step(self) -> float:
        """List when there is nothing to resume from, then watch until the server ends it; seconds to pause after."""
        try:
            if not self._version:
                self._list()
            pause = self._watch()
        except NotFound:
            return self._not_served()
        except Gone as e:
            # The listing may be outdated by the time of the watch, over and over; so this backs off too.
            self._version = ""
            return self._failed(e, first=0.0)
        except ClusterError as e:
            return self._failed(e, first=FIRST_PAUSE)
        self._failures = 0
        return pause

    def _list(self) -> None:
        listing = self._cluster.list(self.resource, timeout=LIST_TIMEOUT)
        self._sink.replace(self.resource, listing)
        self._version = listing.resource_version
        self._absent = False
        self._in_contact()
        self.synced.set()

    def _watch(self) -> float:
        started, events = self._clock(), 0
        # A fleet of watches that began together should not end together.
        seconds = round(self._watch_seconds * (0.8 + 0.2 * self._jitter()))
        stream = self._cluster.watch(self.resource, self._version, timeout_seconds=seconds)
        self._stream = stream
        if self._stopping.is_set():
            # stop() came before there was a stream for it to close.
            stream.close()
        self._in_contact()
        try:
            for event in stream:
                if self._stopping.is_set():
                    break
                events += 1
                if event.type != "BOOKMARK":
                    self._sink.apply(self.resource, event.type, event.object)
                self._version = version_of(event.object) or self._version
                self._in_contact()
                self._failures = 0
        finally:
            self._stream = None
            stream.close()
        self._in_contact()
        return 0.0 if self._clock() - started >= SHORTEST_WATCH else SHORTEST_WATCH

    def _not_served(self) -> float:
        if not self._absent:
            log.info("event=not-served resource=%s", self.resource)
            self._sink.replace(self.resource, Listing([], ""))
        self._absent = True
        self._version = ""
        self._in_contact()
        self.synced.set()
        return ABSENT_SECONDS * (0.5 + self._jitter())

    def _failed(self, error: ClusterError, *, first: float) -> float:
        # `first` once, then doubling: what happens once in a while is resumed at once.
        pause = first if self._failures == 0 else min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**self._failures)
        self._failures = min(self._failures + 1, 16)
        # The message may differ each time (a request's id, a port), and the log is for what is new.
        text = f"{error.status} {error.reason}".strip() if error.status else error.reason or "no answer"
        if text != self.error:
            log.warning("event=watch-failed resource=%s error=%r", self.resource, f"{text} {error.message}"[:300])
        self.error = text
        return pause * (0.5 + self._jitter())

    def _in_contact(self) -> None:
        self.contact = self._clock()
        if self.error:
            log.info("event=watch-resumed resource=%s", self.resource)
        self.error = ""
