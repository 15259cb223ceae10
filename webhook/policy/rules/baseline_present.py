"""Rule baseline-present."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.baseline import CALICO_GROUPS, FLOOR, canonical, missing, wanted_at
from webhook.policy.change import Change, Operation
from webhook.policy.finding import Complaint, Severity
from webhook.policy.identities import NAMESPACE_CONTROLLERS, POLICY_MIGRATORS
from webhook.policy.objects import CalicoApi, Namespace, Policy, Ref
from webhook.policy.rule import rule
from webhook.policy.subjects import is_baseline
from webhook.policy.world import World


@rule(Change, Namespace, World, Severity.DENY, repaired=True)
def baseline_present(subject: Change | Namespace | World, world: World) -> Iterator[Complaint]:
    """
    Every live, managed namespace has its baseline, and the isolation floor lies under all of them.

    Why:
        Without its policies a namespace is open to the whole cluster. The controller writes what is missing; nobody
        deletes it, in whichever way: one by one, as a collection, through Calico's own API server, by the garbage
        collector or by a finalizer.

    Fix:
        Delete the namespace, and the policies go with it. To stop isolating it, have the platform team exempt it.

    Bad:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - change:
            user: dora
            old:
              kind: NetworkPolicy
              apiVersion: projectcalico.org/v3
              metadata: {name: default-deny, namespace: shop}
              spec: {order: 5000, types: [Ingress, Egress]}

    Good:
        - {kind: Namespace, apiVersion: v1, metadata: {name: development, labels: {env: dev}}}
        - change:
            user: dora
            old:
              kind: NetworkPolicy
              apiVersion: projectcalico.org/v3
              metadata: {name: test-ns-allow, namespace: development}
              spec: {order: 600, types: [Ingress]}
    """
    match subject:
        case Change(operation=Operation.DELETE, old=Policy() as policy) if is_baseline(policy, world):
            yield from _deleted(subject, policy, world)
        case Namespace() if not subject.meta.deleting and world.is_managed(subject.name):
            for name in missing(subject, world.policies, world.settings, world.api):
                yield Complaint(f"lacks {name} of its baseline", fix="leave it to the controller")
        case World() if world.api is not CalicoApi.KUBERNETES:
            floors = (Ref(group, "GlobalNetworkPolicy", "", FLOOR) for group in sorted(CALICO_GROUPS))
            if not any(floor in world.policies for floor in floors):
                yield Complaint(f"lacks {FLOOR}", fix="leave it to the controller")


def _deleted(change: Change, policy: Policy, world: World) -> Iterator[Complaint]:
    namespace = world.namespaces.get(policy.namespace)
    if namespace is not None and namespace.meta.deleting and _may_empty(change, world):
        return
    if wanted_at(policy.ref, namespace, world.settings) is None and namespace is not None:
        return  # sameEnvironment: none asks for no such policy
    if _is_migrated(change, policy, world):
        return
    if not policy.namespace:
        yield Complaint("isolates namespaces that have no baseline yet and may not be deleted", fix="leave it")
        return
    yield Complaint(f"isolates {policy.namespace} and may not be deleted", fix="leave it; it goes with its namespace")


def _may_empty(change: Change, world: World) -> bool:
    """
    Say whether a user may empty a terminating namespace.

    With Calico anyone may: through its API server the deletion comes from that one's account, and what still runs
    there stays on the isolation floor. Kubernetes' own policies have no floor, and their deletion an honest name.
    """
    return world.api is not CalicoApi.KUBERNETES or change.user.name in NAMESPACE_CONTROLLERS


def _is_migrated(change: Change, policy: Policy, world: World) -> bool:
    """Calico's migration to 3.32 deletes `default.X` once there is `X`; that one then stays."""
    ref = policy.ref
    return (
        change.user.name in POLICY_MIGRATORS
        and canonical(ref.name) != ref.name
        and Ref(ref.group, ref.kind, ref.namespace, canonical(ref.name)) in world.policies
    )
