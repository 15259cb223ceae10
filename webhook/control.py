"""Control: the controller as a whole, its watches, workers, election and events as threads of one process."""

from __future__ import annotations

import logging
import os
import socket
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from webhook.api import Cluster, Manifest
from webhook.configurations import KEY as CONFIGURATIONS_KEY
from webhook.configurations import WATCHED, Configurations
from webhook.control_metrics import ControlMetrics
from webhook.controller import Controller, keeps_baseline
from webhook.events import Events
from webhook.lease import Lease
from webhook.observe import Observer, Parse
from webhook.policy.objects import CalicoApi
from webhook.policy.settings import OWN_NAMESPACE, Settings
from webhook.probe import Probe
from webhook.reflect import Reflector

log = logging.getLogger(__name__)

# Writes wait for the API server, not for us: more workers than cores, but few enough not to crowd its other clients.
WORKERS = 8
LEASE_NAME = "isolation-baseline"
GAUGES_SECONDS = 5.0


def identity() -> str:
    """
    Who we are in an election: the pod's name, so that a container that is started again leads again at once; else
    unique, for two processes of one machine are two candidates.
    """
    return os.environ.get("POD_NAME") or f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True, slots=True)
class Options:
    """How a controller runs; what it keeps is in the settings."""

    workers: int = WORKERS
    lease: bool = True
    namespace: str = OWN_NAMESPACE
    identity: str = ""


class Control:
    """
    A running controller. `start`, then `stop`, which waits for the step under way and lets the lease go.

    `desired_configurations` yields the webhook configurations and native policies to keep, if any are to be kept.
    """

    def __init__(
        self,
        cluster: Cluster,
        settings: Settings,
        api: CalicoApi,
        *,
        parse: Parse,
        options: Options | None = None,
        metrics: ControlMetrics | None = None,
        desired_configurations: Callable[[], list[Manifest]] | None = None,
    ) -> None:
        self.options = options or Options()
        self.metrics = metrics or ControlMetrics()
        name = self.options.identity or identity()
        self.observer = Observer(cluster, settings, api, parse=parse, keeps=keeps_baseline(api))
        self.lease = Lease(cluster, self.options.namespace, LEASE_NAME, name) if self.options.lease else None
        self.events = Events(cluster, instance=name)
        self.controller = Controller(
            cluster,
            self.observer.mirror,
            events=self.events,
            metrics=self.metrics,
            leads=self._leads,
        )
        self._reflectors: list[Reflector] = []
        if desired_configurations is not None:
            kept = Configurations(cluster, desired_configurations, self.controller.queue, self.metrics)
            self.controller.register(CONFIGURATIONS_KEY, kept.look)
            self._reflectors = [Reflector(cluster, resource, kept) for resource in WATCHED]
        self.probe = Probe(
            cluster,
            lambda: self.observer.world,
            events=self.events,
            metrics=self.metrics,
            leads=self._leads,
        )
        self._is_guarded = desired_configurations is not None
        self._stopping = threading.Event()
        self._workers: list[threading.Thread] = []
        self._others: list[threading.Thread] = []

    def use(self, settings: Settings) -> None:
        """Other settings are in force: everything is looked at again."""
        self.observer.mirror.use(settings)
        self.controller.look_at_all()

    def is_ready(self) -> tuple[bool, str]:
        """Whether the world is known; a candidate that does not lead is ready too."""
        unsynced = self.observer.unsynced()
        if unsynced:
            return False, "not synced: " + ", ".join(f"{name} ({why})" for name, why in sorted(unsynced.items()))
        return True, "leading" if self._leads() else "standing by"

    def start(self) -> None:
        self.observer.start()
        self._thread("events", self.events.run)
        self._thread("gauges", self._measure)
        if self._is_guarded:
            # Without configurations to keep there is no guard to try.
            self._thread("probe", self.probe.run)
        for number in range(self.options.workers):
            self._workers.append(self._thread(f"worker-{number}", self.controller.work))
        self._thread("election", self._elect)

    def stop(self, timeout: float = 10.0) -> None:
        self._stopping.set()
        self.controller.queue.close()
        for worker in self._workers:
            worker.join(timeout)
        if self.lease is not None:
            self.lease.stop()
        for reflector in self._reflectors:
            reflector.stop()
        self.probe.stop()
        self.events.stop()
        self.observer.stop()
        for thread in self._others:
            thread.join(timeout)

    def _leads(self) -> bool:
        return not self._stopping.is_set() and (self.lease is None or self.lease.leads())

    def _elect(self) -> None:
        # Plans made before the world is known would be made of nothing.
        while not self.observer.wait_synced(1.0):
            if self._stopping.is_set():
                return
        for reflector in self._reflectors:
            self._thread(f"watch-{reflector.resource}", reflector.run)
        if self.lease is None:
            self.controller.lead(True)
        else:
            self.lease.run(self.controller.lead)

    def _measure(self) -> None:
        while not self._stopping.wait(GAUGES_SECONDS):
            self.metrics.world_age.set(self.observer.age())
            self.metrics.unreadable.set(len(self.observer.mirror.unreadable))

    def _thread(self, name: str, body: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=body, name=name, daemon=True)
        self._others.append(thread)
        thread.start()
        return thread


def run(control: Control, stop: threading.Event) -> None:
    """Run until `stop` is set, for a process of its own or a thread of another."""
    control.start()
    stop.wait()
    control.stop()
