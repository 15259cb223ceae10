"""Probe: the guard tried by itself, every minute, by dry run; what is not refused is counted, told and found."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from enum import Enum

from webhook.api import AlreadyExists, Cluster, ClusterError, Manifest, NotFound
from webhook.attempts import Attempt, Target, attempts
from webhook.control_metrics import ControlMetrics
from webhook.events import Events
from webhook.policy.environment import mode_of
from webhook.policy.finding import Finding
from webhook.policy.plan import READY_FOR
from webhook.policy.rule import CLUSTER
from webhook.policy.settings import OWN_NAMESPACE, Mode
from webhook.policy.world import World

log = logging.getLogger(__name__)

EVERY = 60.0
RULE = "guard-refuses"


class Result(Enum):
    """What became of an attempt."""

    REFUSED = "refused"  # by admission, as it must be
    UNANSWERED = "unanswered"  # refused because the guard could not be asked: closed, but not well
    OPEN = "open"  # accepted: a way around
    UNTRIED = "untried"  # RBAC, or nothing to try it on, stood before admission


class Probe:
    """Tries every path in turn. `run` is a thread's body; only who leads tries."""

    def __init__(
        self,
        cluster: Cluster,
        world: Callable[[], World],
        *,
        events: Events,
        metrics: ControlMetrics,
        leads: Callable[[], bool],
        every: float = EVERY,
    ) -> None:
        self.results: dict[str, tuple[Result, str]] = {}
        self._cluster, self._world, self._events, self._metrics = cluster, world, events, metrics
        self._leads, self._every = leads, every
        self._stopping = threading.Event()

    def run(self) -> None:
        while not self._stopping.wait(self._every):
            if self._leads():
                self.try_all()

    def stop(self) -> None:
        self._stopping.set()

    def try_all(self) -> None:
        world = self._world()
        target = find_target(world)
        for attempt in attempts(world.api):
            if self._stopping.is_set():
                return
            self._publish(attempt, *self._try(attempt, target))

    def findings(self) -> tuple[Finding, ...]:
        """The paths that are open, as the rest of the product says what is wrong."""
        return tuple(
            Finding(RULE, CLUSTER, path, f"a dry run was not refused: {text}", fix="see whether the webhooks are asked")
            for path, (result, text) in sorted(self.results.items())
            if result is Result.OPEN
        )

    def _try(self, attempt: Attempt, target: Target | None) -> tuple[Result, str]:
        if target is None:
            return Result.UNTRIED, "no managed namespace is ready and enforced"
        try:
            attempt.send(self._cluster, target)
        except ClusterError as e:
            return classify(e), e.message or e.reason
        return Result.OPEN, f"{attempt.does} in {target.namespace}"

    def _publish(self, attempt: Attempt, result: Result, text: str) -> None:
        before = self.results.get(attempt.path)
        self.results[attempt.path] = (result, text)
        self._metrics.probes.labels(attempt.path, result.value).inc()
        if result is Result.UNTRIED:
            # No sample is better than one that nobody measured.
            self._metrics.forget_probe(attempt.path)
        else:
            self._metrics.probe_holds.labels(attempt.path).set(int(result is not Result.OPEN))
        if before is not None and before[0] is result:
            return
        if result is Result.OPEN:
            log.error("event=guard-open path=%s text=%r", attempt.path, text)
            self._events.tell(_own(), "GuardOpen", f"{attempt.path}: a dry run was not refused: {text}", warning=True)
        elif result is Result.UNANSWERED:
            log.warning("event=guard-unanswered path=%s text=%r", attempt.path, text[:300])
            self._events.tell(_own(), "GuardUnanswered", f"{attempt.path}: {text}", warning=True)
        elif before is not None and before[0] in (Result.OPEN, Result.UNANSWERED):
            log.info("event=guard-holds path=%s", attempt.path)
            self._events.tell(_own(), "GuardHolds", f"{attempt.path} is refused again")


def classify(error: ClusterError) -> Result:
    """What a failed attempt shows: RBAC refuses with 403 like admission does, only the message tells them apart."""
    said = error.message
    if "denied the request" in said or "denied request" in said:
        return Result.UNANSWERED if error.status >= 500 else Result.REFUSED
    if "failed calling webhook" in said or "no params found for policy binding" in said:
        return Result.UNANSWERED
    if isinstance(error, NotFound | AlreadyExists) or error.status in (401, 403, 405):
        return Result.UNTRIED
    # A schema that refuses an attempt refuses it for good, but says nothing of the guard.
    return Result.UNTRIED if error.status in (0, 400, 409, 422, 429) else Result.UNANSWERED


def find_target(world: World) -> Target | None:
    """The first namespace by name on which a refusal is due; the dry runs do nothing to it."""
    label = world.settings.environment_label
    for name in sorted(world.namespaces):
        namespace = world.namespaces[name]
        environment = namespace.meta.labels.get(label)
        if (
            world.is_managed(name)
            and environment is not None
            and not namespace.meta.deleting
            and namespace.meta.annotations.get(READY_FOR) == namespace.meta.uid
            and mode_of(environment, world.settings) is Mode.ENFORCE
        ):
            return Target(name, environment, world.settings, world.api)
    return None


def _own() -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "name": OWN_NAMESPACE}
