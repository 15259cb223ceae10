"""Judges: admission bound to the observed world; what is not known is asked for, what cannot be known is refused."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from webhook.admission import judge_mutate_namespace, judge_namespace, judge_pod, judge_policy
from webhook.answers import failed
from webhook.api import NAMESPACES, RESOURCES, Cluster, ClusterError, Manifest, NotFound, Resource, name_of
from webhook.observe import KINDS, Observer, Parse
from webhook.policy.baseline import is_reserved
from webhook.policy.objects import CalicoApi, InvalidObject, Namespace, Ref, Tier
from webhook.policy.settings import Settings
from webhook.policy.world import World, frozen
from webhook.scope import Path
from webhook.wire import AdmissionRequest, Answer

log = logging.getLogger(__name__)

Judge = Callable[[AdmissionRequest], Answer]
# A watch is renewed every 30 s, and a dead connection is noticed within 40: three times in a row is an outage.
OLDEST_WORLD = 90.0
# The API server waits 3 s for us.
LOOK_UP_SECONDS = 1.5
_POLICY_KINDS_WITH_TIER = frozenset(
    {"NetworkPolicy", "GlobalNetworkPolicy", "StagedNetworkPolicy", "StagedGlobalNetworkPolicy"}
)
_CALICO_GROUPS = frozenset({"projectcalico.org", "crd.projectcalico.org"})


class SettingsInForce(Protocol):
    """Holds the settings and tells of new ones; SettingsWatch is one."""

    @property
    def settings(self) -> Settings: ...

    def subscribe(self, listener: Callable[[Settings], None]) -> None: ...


class _CannotJudgeError(Exception):
    """What a judgement needs could not be had; carries what to tell the client."""


class Judging:
    """The judges of one process, over an observer of its own; `start` after any fork."""

    def __init__(self, cluster: Cluster, watch: SettingsInForce, api: CalicoApi, *, parse: Parse) -> None:
        self._cluster, self._watch, self._api, self._parse = cluster, watch, api, parse
        self.observer = Observer(cluster, watch.settings, api, parse=parse)
        watch.subscribe(self.observer.mirror.use)

    def start(self) -> None:
        self.observer.start()

    def stop(self) -> None:
        self.observer.stop()

    def is_ready(self) -> tuple[bool, str]:
        unsynced = self.observer.unsynced()
        if unsynced:
            return False, "not synced: " + ", ".join(f"{name} ({why})" for name, why in sorted(unsynced.items()))
        age = self.observer.age()
        if age > OLDEST_WORLD:
            return False, f"the API server was last heard of {age:.0f} s ago"
        return True, "ok"

    def judges(self) -> Mapping[str, Judge]:
        """One judge for each path, as create_app takes them."""
        return {
            # It needs nothing but the settings, and must not stop namespaces for the world's sake: it fails open.
            Path.MUTATE_NAMESPACE.value: lambda request: judge_mutate_namespace(request, self.observer.world),
            Path.NAMESPACE.value: self._bound(judge_namespace, self._known_for_namespace),
            Path.POLICY.value: self._bound(judge_policy, self._known_for_policy),
            Path.POD.value: self._bound(judge_pod, self._known_for_pod),
        }

    def _bound(
        self,
        judge: Callable[[AdmissionRequest, World], Answer],
        known: Callable[[AdmissionRequest, World], World],
    ) -> Judge:
        def bound(request: AdmissionRequest) -> Answer:
            try:
                return judge(request, known(request, self._fresh()))
            except _CannotJudgeError as e:
                return failed(str(e))

        return bound

    def _fresh(self) -> World:
        age = self.observer.age()
        if age > OLDEST_WORLD:
            since = "has not read the cluster yet" if age == float("inf") else f"last heard of it {age:.0f} s ago"
            raise _CannotJudgeError(
                f"this webhook {since}, and does not judge by what is older than {OLDEST_WORLD:.0f} s; try again"
            )
        return self.observer.world

    def _known_for_namespace(self, request: AdmissionRequest, world: World) -> World:
        """What a former namespace left is judged; what is only still in our view of it is taken out of the world."""
        if request.operation != "CREATE":
            return world
        left = [ref for ref in world.policies if ref.namespace == request.name and request.name]
        if not left:
            return world
        there: set[Ref] = set()
        for group, kind in {(ref.group, ref.kind) for ref in left}:
            resource = next(r for (_, k), r in RESOURCES.items() if r.group == group and k == kind)
            there |= {Ref(group, kind, request.name, name) for name in self._names(resource, request.name)}
        kept = {ref: policy for ref, policy in world.policies.items() if ref not in left or ref in there}
        return replace(world, policies=frozen(kept))

    def _names(self, resource: Resource, namespace: str) -> list[str]:
        try:
            listing = self._cluster.list(resource, namespace, timeout=LOOK_UP_SECONDS)
        except NotFound:
            return []
        except ClusterError as e:
            raise _CannotJudgeError(f"listing {resource} of {namespace} failed; try again") from e
        return [name_of(item) for item in listing.items]

    def _known_for_policy(self, request: AdmissionRequest, world: World) -> World:
        namespace = request.namespace
        if namespace and world.is_managed(namespace) and self._must_look(request, world.namespaces.get(namespace)):
            world = self._with_namespace(namespace, world)
        tier = _tier_of(request)
        if tier and tier not in world.tiers:
            world = self._with_tier(tier, world)
        return world

    def _known_for_pod(self, request: AdmissionRequest, world: World) -> World:
        namespace = request.namespace
        if not namespace or not world.is_managed(namespace) or namespace in world.namespaces:
            return world
        return self._with_namespace(namespace, world)

    def _must_look(self, request: AdmissionRequest, known: Namespace | None) -> bool:
        if _may_delete_baseline(request, self._api):
            # Whether the namespace is being deleted, and whether it is not a new one of the old name, decides.
            return True
        # In a namespace that is being deleted nothing is created: what we know is of a former one.
        return known is None or (known.meta.deleting and request.operation == "CREATE")

    def _with_namespace(self, name: str, world: World) -> World:
        found = self._looked_up(NAMESPACES, name)
        if found is None:
            # The judge refuses what is in a namespace that is not there.
            return world
        assert isinstance(found, Namespace)
        return world.with_namespace(found)

    def _with_tier(self, name: str, world: World) -> World:
        version = "crd.projectcalico.org/v1" if self._api is CalicoApi.KUBERNETES else self._api.api_version
        found = self._looked_up(RESOURCES[version, "Tier"], name)
        # A tier that is not there has no order that could be judged; the rules say so.
        return world.with_tier(found) if isinstance(found, Tier) else world

    def _looked_up(self, resource: Resource, name: str) -> object | None:
        """The object as it is now, or None when it is not there."""
        try:
            manifest: Manifest = self._cluster.get(resource, name, timeout=LOOK_UP_SECONDS)
            api_version, kind = KINDS[resource]
            return self._parse({**manifest, "apiVersion": api_version, "kind": kind})
        except NotFound:
            return None
        except (ClusterError, InvalidObject) as e:
            log.warning("event=look-up-failed resource=%s name=%s error=%r", resource, name, str(e)[:300])
            raise _CannotJudgeError(f"looking up {resource} {name} failed; try again") from e


def _may_delete_baseline(request: AdmissionRequest, api: CalicoApi) -> bool:
    """Whether this takes a baseline object away: a deletion, or an update of one that is being deleted."""
    metadata = _map(_map(request.old_object).get("metadata"))
    name = request.name or metadata.get("name") or ""
    if not is_reserved(Ref(request.kind.group, request.kind.kind, request.namespace, str(name)), api):
        return False
    if request.operation == "DELETE":
        return True
    new = _map(_map(request.object).get("metadata"))
    # An aggregated foreground deletion brings its timestamp in the annotation that holds v3's metadata.
    annotation = _map(new.get("annotations")).get("projectcalico.org/metadata")
    return bool(new.get("deletionTimestamp")) or "deletionTimestamp" in str(annotation)


def _tier_of(request: AdmissionRequest) -> str:
    if request.kind.kind not in _POLICY_KINDS_WITH_TIER or request.kind.group not in _CALICO_GROUPS:
        return ""
    tier = _map(_map(request.object).get("spec")).get("tier")
    return tier if isinstance(tier, str) else ""


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
