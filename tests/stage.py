"""Stage: a controller on a cluster in memory, driven step by step in one thread; time passes only when told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from webhook.api import NAMESPACES, RESOURCES, Manifest, Resource
from webhook.control_metrics import ControlMetrics
from webhook.controller import Controller, keeps_baseline
from webhook.events import Events
from webhook.memory import MemoryCluster
from webhook.observe import Mirror, resources_of
from webhook.policy.objects import CalicoApi
from webhook.policy.parse import parse
from webhook.policy.settings import Environment, Settings
from webhook.reflect import Reflector
from webhook.workqueue import WorkQueue

POLICIES = RESOURCES["crd.projectcalico.org/v1", "NetworkPolicy"]
GLOBAL_POLICIES = RESOURCES["crd.projectcalico.org/v1", "GlobalNetworkPolicy"]
V3 = frozenset(resource for resource in RESOURCES.values() if resource.group == "projectcalico.org")
SETTINGS = Settings(
    environments=(Environment("dev", ("development", "dev-*")), Environment("test", ("test", "test-*"))),
    generation="cafe",
)
BIRTH = datetime(2026, 1, 1, tzinfo=UTC)


class Time:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return BIRTH + timedelta(seconds=self.seconds)

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


class Stage:
    def __init__(self, settings: Settings = SETTINGS, cluster: MemoryCluster | None = None) -> None:
        self.time = Time()
        self.cluster = cluster or MemoryCluster(unserved=V3, linger=False, now=self.time.now)
        self.restart(settings)

    def restart(self, settings: Settings = SETTINGS, *, lead: bool = True) -> None:
        """A new process: nothing is known but what the cluster holds."""
        api = CalicoApi.V1
        self.mirror = Mirror(settings, api, parse, keeps=keeps_baseline(api))
        self.reflectors = [
            Reflector(self.cluster, resource, self.mirror, clock=self.time, jitter=lambda: 0.5)
            for resource in resources_of(api)
        ]
        self.events = Events(self.cluster, clock=self.time, now=self.time.now)
        self.metrics = ControlMetrics()
        self.leads = lead
        self.controller = Controller(
            self.cluster,
            self.mirror,
            events=self.events,
            metrics=self.metrics,
            leads=lambda: self.leads,
            clock=self.time,
            now=self.time.now,
            queue=WorkQueue(clock=self.time, jitter=lambda: 0.5),
        )
        self.observe()
        if lead:
            self.controller.lead(True)

    def observe(self) -> None:
        for reflector in self.reflectors:
            reflector.step()

    def work(self, turns: int = 1000) -> int:
        """Look at what waits; how many looks that were."""
        done = 0
        while done < turns and (key := self.controller.queue.get(wait=False)) is not None:
            self.controller.turn(key)
            done += 1
        return done

    def settle(self) -> None:
        """Observe and work until there is nothing to do."""
        for _ in range(50):
            self.observe()
            if not self.work():
                return
        raise AssertionError("does not settle")

    def namespace(self, name: str, **metadata: object) -> Manifest:
        return self.cluster.create(NAMESPACES, {"metadata": {"name": name, **metadata}})

    def policies(self, namespace: str) -> dict[str, Manifest]:
        items = self.cluster.list(POLICIES, namespace).items
        return {item["metadata"]["name"]: item for item in items}

    def writes(self) -> list[str]:
        """What was written so far, in order, as text."""
        verbs = ("create", "replace", "patch", "delete")
        return [
            f"{call.verb} {call.resource.plural} {call.namespace}/{call.name}"
            for call in self.cluster.calls
            if call.verb in verbs
        ]

    def metric(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0

    def told(self) -> list[tuple[str, str]]:
        return [(event["reason"], event["message"]) for event in self.events.waiting()]


def counted(act: Callable[[], object], cluster: MemoryCluster, verb: str, resource: Resource) -> int:
    """How many such requests `act` makes."""
    before = len(cluster.calls)
    act()
    return sum(call.verb == verb and call.resource == resource for call in cluster.calls[before:])
