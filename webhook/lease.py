"""Lease: which of several controllers leads, by a Lease object; nothing but the election."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from webhook.api import (
    LEASES,
    AlreadyExists,
    Cluster,
    ClusterError,
    Conflict,
    Manifest,
    NotFound,
    version_of,
)

log = logging.getLogger(__name__)

# A leader that cannot renew stops after DEADLINE; others take over DURATION after the last renewal that they saw.
# The difference is what a write that is under way may still take.
DURATION = 12.0
DEADLINE = 7.0
EVERY = 2.0
# Two of them fit into the deadline.
TIMEOUT = 3.0


class Lease:
    """
    One candidate. `step` renews, takes or looks once; `leads` is true only while nobody else can have taken over.

    Clocks of machines are never compared: a lease is taken when it has not changed for its duration by our own clock.
    A candidate whose identity is the holder's takes it at once: it is the same pod, started again.
    """

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        name: str,
        identity: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.identity = identity
        self._cluster, self._namespace, self._name = cluster, namespace, name
        self._clock, self._now = clock, now
        self._renewed = float("-inf")
        self._seen: tuple[object, object] = (None, None)
        self._seen_at = float("-inf")
        self._stopping = threading.Event()

    def leads(self) -> bool:
        return self._clock() - self._renewed < DEADLINE

    def run(self, changed: Callable[[bool], None]) -> None:
        """A thread's body: tell of each change between leading and not leading, until stopped; then let go."""
        led = False
        while not self._stopping.is_set():
            self.step()
            if self.leads() != led:
                led = not led
                log.info("event=%s identity=%s", "leading" if led else "not-leading", self.identity)
                changed(led)
            self._stopping.wait(EVERY)
        if led:
            changed(False)
        self.release()

    def stop(self) -> None:
        self._stopping.set()

    def step(self) -> bool:
        asked = self._clock()
        try:
            if self._try(asked):
                # From when we asked, not from when the answer came.
                self._renewed = asked
        except (Conflict, AlreadyExists):
            # Somebody was quicker.
            pass
        except ClusterError as e:
            log.warning("event=lease-failed error=%r", str(e)[:300])
        return self.leads()

    def release(self) -> None:
        """Let the next one take over at once; on failure it takes over after the duration."""
        if not self.leads():
            return
        self._renewed = float("-inf")
        try:
            lease = self._cluster.get(LEASES, self._name, self._namespace, timeout=TIMEOUT)
            if lease.get("spec", {}).get("holderIdentity") == self.identity:
                self._write(lease, holder="")
        except ClusterError as e:
            log.warning("event=lease-not-released error=%r", str(e)[:300])

    def _try(self, asked: float) -> bool:
        try:
            lease = self._cluster.get(LEASES, self._name, self._namespace, timeout=TIMEOUT)
        except NotFound:
            metadata = {"name": self._name, "namespace": self._namespace}
            lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}
            self._write(lease, holder=self.identity)
            return True
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        seen = (holder, spec.get("renewTime"))
        if seen != self._seen:
            self._seen, self._seen_at = seen, asked
        duration = spec.get("leaseDurationSeconds") or DURATION
        if holder not in ("", self.identity) and asked - self._seen_at <= duration:
            self._renewed = float("-inf")
            return False
        self._write(lease, holder=self.identity)
        return True

    def _write(self, lease: Manifest, *, holder: str) -> None:
        now = self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        old = lease.get("spec") or {}
        spec = {"holderIdentity": holder, "leaseDurationSeconds": round(DURATION), "renewTime": now}
        if old.get("holderIdentity") == holder:
            spec["acquireTime"] = old.get("acquireTime") or now
            spec["leaseTransitions"] = old.get("leaseTransitions") or 0
        else:
            spec["acquireTime"] = now
            spec["leaseTransitions"] = (old.get("leaseTransitions") or 0) + 1
        lease = {**lease, "spec": spec}
        # The resourceVersion in it makes two candidates that saw the same lease conflict.
        if version_of(lease):
            self._cluster.replace(LEASES, lease, timeout=TIMEOUT)
        else:
            self._cluster.create(LEASES, lease, timeout=TIMEOUT)
