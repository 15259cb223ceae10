"""Controller: keeps every namespace's baseline and the floor as planned, driven by what is, never by what was."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from webhook.api import NAMESPACES, RESOURCES, Cluster, ClusterError, Manifest, NotFound, Resource, name_of
from webhook.control_metrics import ControlMetrics
from webhook.events import Events
from webhook.observe import Mirror, Seen
from webhook.policy.baseline import FLOOR, is_reserved
from webhook.policy.objects import CalicoApi, Namespace, Ref
from webhook.policy.plan import READY_FOR, MarkReady, Step, StripMetadata, WritePolicy, plan_floor, plan_namespace
from webhook.workqueue import WorkQueue
from webhook.write import Writer

log = logging.getLogger(__name__)

# No namespace can have such a name.
FLOOR_KEY = ":floor"
EVERYTHING_KEY = ":everything"
# So many failures of the floor, about three seconds of them, and the namespaces no longer wait for it.
FLOOR_ATTEMPTS = 5
# Nothing depends on this look at everything; it is there for what nobody thought of.
RESYNC_SECONDS = 300.0
# A namespace that comes and goes without becoming ready must not stay in memory.
MOST_ARRIVALS = 20_000


def keeps_baseline(api: CalicoApi) -> Callable[[Resource, str, str], bool]:
    """Which objects an observer has to keep as they are stored, for the plans of this controller."""
    kinds = {RESOURCES[api.api_version, "NetworkPolicy"]: "NetworkPolicy"}
    if api is not CalicoApi.KUBERNETES:
        kinds[RESOURCES[api.api_version, "GlobalNetworkPolicy"]] = "GlobalNetworkPolicy"

    def keeps(resource: Resource, namespace: str, name: str) -> bool:
        kind = kinds.get(resource)
        return kind is not None and is_reserved(Ref(resource.group, kind, namespace, name), api)

    return keeps


class Controller:
    """
    One controller over one observed world. It works only while it leads: `lead(True)` starts from the floor, then
    looks at every namespace. Killed at any point it leaves nothing half known: everything is read from the API again.
    """

    def __init__(
        self,
        cluster: Cluster,
        mirror: Mirror,
        *,
        events: Events,
        metrics: ControlMetrics,
        leads: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        queue: WorkQueue | None = None,
    ) -> None:
        self.queue = WorkQueue(clock=clock) if queue is None else queue
        self._cluster, self._mirror, self._events, self._metrics = cluster, mirror, events, metrics
        self._leads, self._clock, self._now = leads, clock, now
        self._api = mirror.world().api
        self._writer = Writer(cluster, self._api, mirror.note)
        self._others: dict[str, Callable[[], None]] = {}
        self._open = False
        self._floor_failures = 0
        self._arrivals: dict[str, float] = {}
        self._unready: set[str] = set()
        self._lock = threading.Lock()
        mirror.subscribe(self.saw)

    def register(self, key: str, look: Callable[[], None]) -> None:
        """Something else that is kept by the same workers; `key` starts with a colon."""
        self._others[key] = look

    def lead(self, leads: bool) -> None:  # a callback of the lease
        self._metrics.leading.set(int(leads))
        self._open, self._floor_failures = False, 0
        self.queue.clear()
        if leads:
            self.queue.add(FLOOR_KEY, urgent=True)

    def look_at_all(self) -> None:
        """After a change of settings, a new term, and every RESYNC_SECONDS."""
        self.queue.add(FLOOR_KEY, urgent=True)
        if self._open:
            for key in (*self._others, *sorted(self._mirror.world().namespaces)):
                self.queue.add(key)
            self.queue.add_later(EVERYTHING_KEY, RESYNC_SECONDS)

    def saw(self, seen: Seen) -> None:
        if seen.resource == NAMESPACES:
            self._saw_namespace(seen)
        elif self._open and keeps_baseline(self._api)(seen.resource, seen.namespace, seen.name):
            self.queue.add(seen.namespace or FLOOR_KEY, urgent=True)

    def _saw_namespace(self, seen: Seen) -> None:
        found = seen.value if isinstance(seen.value, Namespace) else None
        if found is not None and not seen.listed and found.meta.annotations.get(READY_FOR) != found.meta.uid:
            with self._lock:
                if len(self._arrivals) < MOST_ARRIVALS:
                    self._arrivals.setdefault(found.meta.uid, self._clock())
        if self._open:
            self.queue.add(seen.name, urgent=True)

    def work(self) -> None:
        """A worker thread's body, until the queue is closed."""
        while (key := self.queue.get()) is not None:
            self.turn(key)

    def turn(self, key: str) -> None:
        """Look at one key, and give it back."""
        try:
            if self._leads():
                self._look(key)
                self.queue.forget(key)
        except ClusterError as e:
            self._failed(key, type(e).__name__, str(e))
        except Exception as e:  # the loop must survive our own faults; it says them, and tries again
            log.exception("event=look-broke key=%s", key)
            self._failed(key, type(e).__name__, str(e))
        finally:
            self.queue.done(key)
            self._metrics.waiting.set(len(self.queue))

    def _look(self, key: str) -> None:
        if key == FLOOR_KEY:
            self._keep_floor()
        elif key == EVERYTHING_KEY:
            self.look_at_all()
        elif (look := self._others.get(key)) is not None:
            look()
        else:
            self._keep_namespace(key)

    def _failed(self, key: str, reason: str, text: str) -> None:
        self._metrics.failures.labels(reason).inc()
        pause = self.queue.retry(key)
        log.warning("event=look-failed key=%s reason=%s retry=%.2fs error=%r", key, reason, pause, text[:500])
        if key == FLOOR_KEY and not self._open:
            self._floor_failures += 1
            if self._floor_failures >= FLOOR_ATTEMPTS:
                self._open_for_namespaces()

    def _keep_floor(self) -> None:
        world = self._mirror.world()
        resource = RESOURCES.get((self._api.api_version, "GlobalNetworkPolicy"))
        stored = None if resource is None else self._mirror.manifests(resource, "").get(FLOOR)
        for step in plan_floor(stored, world.settings, self._api):
            self._do(step, stored=stored, repaired=stored is not None)
        if not self._open:
            self._open_for_namespaces()

    def _open_for_namespaces(self) -> None:
        self._open = True
        self.look_at_all()

    def _keep_namespace(self, name: str) -> None:
        world = self._mirror.world()
        namespace = world.namespaces.get(name)
        if namespace is None or namespace.meta.deleting:
            self._forget(name, namespace)
            return
        stored = self._stored(name)
        steps = plan_namespace(namespace, stored, world.settings, self._api)
        if stored and any(isinstance(step, MarkReady) for step in steps):
            # Policies in a namespace that is not ready may be those of a former one, whose deletion our watch has not
            # brought yet; by them nothing may be called ready.
            stored = self._live(name)
            steps = plan_namespace(namespace, stored, world.settings, self._api)
        if not steps:
            self._forget(name, namespace)
            return
        with self._lock:
            self._unready.add(name)
        try:
            self._carry_out(namespace, steps, stored)
        except ClusterError:
            if not self._is_leaving(namespace):
                raise
        self._forget(name, namespace)

    def _carry_out(self, namespace: Namespace, steps: tuple[Step, ...], stored: dict[str, Manifest]) -> None:
        was_ready = not any(isinstance(step, MarkReady) for step in steps)
        repaired: list[str] = []
        for step in steps:
            if not self._leads():
                return
            if isinstance(step, MarkReady):
                self._mark(namespace, step)
                continue
            known = stored.get(_name(step)) if isinstance(step, WritePolicy) and step.differences else None
            outcome = self._do(step, namespace=namespace, stored=known, repaired=was_ready)
            if outcome != "unchanged":
                repaired.append(f"{_name(step)} {outcome}")
        if was_ready and repaired:
            text = f"the baseline was not as asked: {', '.join(repaired)}"
            log.info("event=repaired namespace=%s steps=%r", namespace.name, ", ".join(repaired))
            self._events.tell(_reference(namespace), "BaselineRepaired", text, warning=True)

    def _mark(self, namespace: Namespace, step: MarkReady) -> None:
        seconds = self._seconds(namespace)
        self._do(step, ready_seconds=seconds)
        self._metrics.ready_seconds.observe(seconds)
        log.info("event=ready namespace=%s uid=%s seconds=%.3f", namespace.name, namespace.meta.uid, seconds)
        self._events.tell(_reference(namespace), "BaselineReady", f"the baseline is in place after {seconds:.3f} s")

    def _do(
        self,
        step: Step,
        *,
        namespace: Namespace | None = None,
        stored: Manifest | None = None,
        repaired: bool = False,
        ready_seconds: float = 0.0,
    ) -> str:
        outcome = self._writer.carry_out(step, namespace=namespace, stored=stored, ready_seconds=ready_seconds)
        self._metrics.steps.labels(type(step).__name__, outcome).inc()
        if repaired and outcome != "unchanged":
            self._metrics.repairs.labels(_role(step)).inc()
        return outcome

    def _live(self, namespace: str) -> dict[str, Manifest]:
        resource, keeps = RESOURCES[self._api.api_version, "NetworkPolicy"], keeps_baseline(self._api)
        items = self._cluster.list(resource, namespace).items
        return {name_of(item): item for item in items if keeps(resource, namespace, name_of(item))}

    def _stored(self, namespace: str) -> dict[str, Manifest]:
        resource = RESOURCES[self._api.api_version, "NetworkPolicy"]
        return self._mirror.manifests(resource, namespace)

    def _seconds(self, namespace: Namespace) -> float:
        """
        Since the namespace arrived in our watch. creationTimestamp has whole seconds only; it is used for namespaces
        that were there when we started.
        """
        with self._lock:
            arrived = self._arrivals.get(namespace.meta.uid)
        if arrived is not None:
            return self._clock() - arrived
        try:
            created = datetime.fromisoformat(namespace.meta.created)
        except ValueError:
            return 0.0
        return max(0.0, (self._now() - created).total_seconds())

    def _is_leaving(self, namespace: Namespace) -> bool:
        """Whether the API server refuses only because the namespace is going; asked live, since our view is behind."""
        try:
            found = self._cluster.get(NAMESPACES, namespace.name)
        except NotFound:
            return True
        except ClusterError:
            return False
        metadata = found["metadata"]
        return "deletionTimestamp" in metadata or metadata.get("uid") != namespace.meta.uid

    def _forget(self, name: str, namespace: Namespace | None) -> None:
        with self._lock:
            self._unready.discard(name)
            if namespace is not None:
                self._arrivals.pop(namespace.meta.uid, None)
            self._metrics.unready.set(len(self._unready))


def _name(step: Step) -> str:
    match step:
        case WritePolicy():
            return str(step.manifest["metadata"]["name"])
        case _:
            return getattr(step, "name", "") or step.__class__.__name__


def _role(step: Step) -> str:
    """Which of the few baseline objects: a label of a metric must not be a name that tenants choose."""
    name = _name(step)
    if isinstance(step, WritePolicy | StripMetadata):
        return name if name in ("default-deny", "dns-allow", FLOOR) else "ns-allow"
    return type(step).__name__


def _reference(namespace: Namespace) -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "name": namespace.name, "uid": namespace.meta.uid}
