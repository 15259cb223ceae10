"""Events: what happened to a namespace, told as Kubernetes Events; a bounded side line that never holds the work up."""

from __future__ import annotations

import logging
import queue
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from webhook.api import EVENTS, Cluster, ClusterError, Manifest

log = logging.getLogger(__name__)

COMPONENT = "isolation-baseline"
# Events are for people; a burst of a thousand namespaces is told by metrics, and must not double its own writes.
PER_SECOND = 5.0
BURST = 50.0
# Events about cluster-scoped objects live here; the API server accepts them nowhere else.
NAMESPACE_OF_EVENTS = "default"


class Events:
    """Tells events one after the other, in a thread of its own; more than it may tell a second it counts and drops."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        instance: str = "",
    ) -> None:
        self.dropped = 0
        self._cluster, self._clock, self._now, self._instance = cluster, clock, now, instance
        self._waiting: queue.Queue[Manifest | None] = queue.Queue(maxsize=int(BURST))
        self._tokens, self._counted = BURST, clock()
        self._lock = threading.Lock()

    def tell(self, regarding: Manifest, reason: str, message: str, *, warning: bool = False) -> None:
        """`regarding` is a reference: apiVersion, kind, name, uid."""
        with self._lock:
            now = self._clock()
            self._tokens = min(BURST, self._tokens + (now - self._counted) * PER_SECOND)
            self._counted = now
            if self._tokens < 1.0 or self._waiting.full():
                self.dropped += 1
                return
            self._tokens -= 1.0
            self._waiting.put_nowait(self._event(regarding, reason, message, warning=warning))

    def run(self) -> None:
        """A thread's body, until `stop`."""
        while (event := self._waiting.get()) is not None:
            self.send(event)

    def stop(self) -> None:
        # Full or not: the thread has to hear of it, and what it has not told yet is no loss.
        while True:
            try:
                self._waiting.put_nowait(None)
                return
            except queue.Full:
                self._waiting.get_nowait()

    def waiting(self) -> list[Manifest]:
        """What is to be told, taken out of the line; for callers without a thread."""
        found: list[Manifest] = []
        while not self._waiting.empty():
            event = self._waiting.get_nowait()
            found += [event] if event is not None else []
        return found

    def send(self, event: Manifest) -> None:
        try:
            self._cluster.create(EVENTS, event, timeout=5.0)
        except ClusterError as e:
            self.dropped += 1
            log.warning("event=event-not-told reason=%s error=%r", event["reason"], str(e)[:200])

    def _event(self, regarding: Manifest, reason: str, message: str, *, warning: bool) -> Manifest:
        at = self._now().strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{regarding['name']}.{uuid.uuid4().hex[:16]}", "namespace": NAMESPACE_OF_EVENTS},
            "involvedObject": regarding,
            "reason": reason,
            # The API server refuses more than 1 KiB.
            "message": message[:1000],
            "type": "Warning" if warning else "Normal",
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
            "source": {"component": COMPONENT, **({"host": self._instance} if self._instance else {})},
        }
