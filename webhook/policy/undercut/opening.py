"""Opening: the smallest policies that let one flow through, at both its ends, judged and replayed before shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from webhook.policy.endpoints import PodRef
from webhook.policy.finding import Complaint
from webhook.policy.objects import TIER_DEFAULT, Action, CalicoApi, Direction, Pod
from webhook.policy.parse import parse_policy
from webhook.policy.ranges import PROTOCOLS_WITH_PORTS, Cidr, protocol_name
from webhook.policy.traffic import Decision, Flow, Hook, Verdict, verdict
from webhook.policy.undercut.judge import block_complaints, leak_complaints
from webhook.policy.undercut.peers import KUBERNETES, METADATA_NAME, ORCHESTRATOR
from webhook.policy.world import World

Manifest = Mapping[str, Any]

# Where orders of tenants begin that leave room before them; the band of the settings bounds it.
_USUAL_ORDER = 600
# Set by controllers, different for every pod of a workload or for every release of it.
_VOLATILE = frozenset(
    {
        "apps.kubernetes.io/pod-index",
        "batch.kubernetes.io/controller-uid",
        "batch.kubernetes.io/job-completion-index",
        "controller-revision-hash",
        "controller-uid",
        "pod-template-generation",
        "pod-template-hash",
        "statefulset.kubernetes.io/pod-name",
    }
)


@dataclass(frozen=True, slots=True)
class Opening:
    """
    What opens a flow, or why nothing does.

    `policies` are manifests, the sender's first, and only for ends that are closed; with `refusals` there are none.
    """

    before: Verdict
    after: Verdict
    policies: tuple[Manifest, ...] = ()
    refusals: tuple[str, ...] = ()


def allow(flow: Flow, world: World) -> Opening:
    """
    Find the smallest policies that open the flow: for pods with these labels, to or from these, on this port.

    Raises:
        KeyError: when a pod of the flow is not in the world.
    """
    before = verdict(flow, world)
    refusals: list[str] = []
    manifests: list[Manifest] = []
    for hook in before.hooks:
        if hook.allowed:
            continue
        order = _order(hook, world)
        if order is None:
            where = f"{hook.direction.value.lower()} of {hook.pod}"
            refusals.append(f"{where} is dropped by {hook.decided_by}, before any order that tenants have")
            continue
        manifest = policy_for(hook.direction, flow, world, order)
        refusals += (f"{found.detail} [{manifest['metadata']['namespace']}]" for found in _complaints(manifest, world))
        manifests.append(manifest)
    if refusals:
        return Opening(before, before, refusals=tuple(refusals))
    after = verdict(flow, world.with_policies(*map(parse_policy, manifests)))
    if not after.allowed:
        return Opening(before, after, refusals=(f"it would still be dropped by {after.decided_by}",))
    return Opening(before, after, tuple(manifests))


def _complaints(manifest: Manifest, world: World) -> Iterator[Complaint]:
    policy = parse_policy(manifest)
    yield from leak_complaints(policy, world)
    yield from block_complaints(policy, world)


def _order(hook: Hook, world: World) -> float | None:
    """An order in the tenants' band that comes before what drops the flow; None when there is none."""
    low, high = world.settings.orders.tenants
    usual = min(max(_USUAL_ORDER, low), high)
    step = hook.steps[-1]
    if step.decision is Decision.PROFILE or step.tier != TIER_DEFAULT:
        return None
    if step.decision is Decision.END_OF_TIER or step.order > usual:
        return usual
    return step.order - 1 if step.order - 1 >= low else None


def policy_for(direction: Direction, flow: Flow, world: World, order: float) -> Manifest:
    """The policy for one end of a flow; in the form of the API that the cluster has."""
    own, other = (flow.destination, flow.source) if direction is Direction.INGRESS else (flow.source, flow.destination)
    assert isinstance(own, PodRef), "only pods have hooks"
    word = "from" if direction is Direction.INGRESS else "to"
    name = _free(f"allow-{word}-{_short(other, flow)}", own.namespace, world)
    metadata = {"name": name, "namespace": own.namespace}
    if world.api is CalicoApi.KUBERNETES:
        return _kubernetes(direction, flow, world, metadata)
    rule: dict[str, Any] = {"action": Action.ALLOW.value, "protocol": _protocol(flow)}
    sides = ("source", "destination") if direction is Direction.INGRESS else ("destination", "source")
    peer = _peer(other, world)
    destination = peer if direction is Direction.EGRESS else {}
    if flow.protocol in PROTOCOLS_WITH_PORTS:
        destination = {**destination, "ports": [flow.port]}
    rule[sides[0]] = destination if direction is Direction.EGRESS else peer
    if direction is Direction.INGRESS and destination:
        rule[sides[1]] = destination
    if flow.icmp is not None:
        rule["icmp"] = {"type": flow.icmp[0], "code": flow.icmp[1]}
    spec = {
        "tier": TIER_DEFAULT,
        "order": int(order) if order == int(order) else order,
        "selector": _selector(world.pods[own.namespace, own.name]),
        "types": [direction.value],
        direction.value.lower(): [rule],
    }
    return {"apiVersion": world.api.api_version, "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def _peer(other: PodRef | Cidr, world: World) -> dict[str, Any]:
    if isinstance(other, Cidr):
        return {"nets": [str(other)]}
    pod = world.pods[other.namespace, other.name]
    return {
        "namespaceSelector": f"{METADATA_NAME} == '{other.namespace}'",
        # Sets inherit the labels of their namespace; only pods have this one.
        "selector": f"{_selector(pod, all_of_them='')}{ORCHESTRATOR} == '{KUBERNETES}'",
    }


def _selector(pod: Pod, *, all_of_them: str = "all()") -> str:
    parts = [f"{key} == '{value}'" for key, value in _lasting(pod)]
    if all_of_them:
        return " && ".join(parts) or all_of_them
    return "".join(f"{part} && " for part in parts)


def _lasting(pod: Pod) -> list[tuple[str, str]]:
    return sorted((key, value) for key, value in pod.meta.labels.items() if key not in _VOLATILE)


def _protocol(flow: Flow) -> str | int:
    name = protocol_name(flow.protocol)
    return int(name) if name.isdigit() else name


def _short(other: PodRef | Cidr, flow: Flow) -> str:
    """Part of a name that says what it is about, in the characters of one."""
    if isinstance(other, Cidr):
        text = other.address.replace(":", "-").replace(".", "-").strip("-")
    else:
        text = other.namespace
    port = f"-{flow.port}" if flow.port else ""
    return f"{text}-{protocol_name(flow.protocol).lower()}{port}"


def _free(name: str, namespace: str, world: World) -> str:
    """A name that no policy of the namespace has: to apply one must never replace another."""
    taken = {ref.name for ref in world.policies if ref.namespace == namespace}
    numbered = (f"{name}-{number}" for number in count(2))
    return name if name not in taken else next(other for other in numbered if other not in taken)


def _kubernetes(direction: Direction, flow: Flow, world: World, metadata: Mapping[str, Any]) -> Manifest:
    own, other = (flow.destination, flow.source) if direction is Direction.INGRESS else (flow.source, flow.destination)
    assert isinstance(own, PodRef), "only pods have hooks"
    if isinstance(other, PodRef):
        peer: dict[str, Any] = {
            "namespaceSelector": {"matchLabels": {METADATA_NAME: other.namespace}},
            "podSelector": {"matchLabels": dict(_lasting(world.pods[other.namespace, other.name]))},
        }
    else:
        peer = {"ipBlock": {"cidr": str(other)}}
    rule: dict[str, Any] = {"from" if direction is Direction.INGRESS else "to": [peer]}
    if flow.protocol in PROTOCOLS_WITH_PORTS:
        rule["ports"] = [{"protocol": _protocol(flow), "port": flow.port}]
    spec = {
        "podSelector": {"matchLabels": dict(_lasting(world.pods[own.namespace, own.name]))},
        "policyTypes": [direction.value],
        direction.value.lower(): [rule],
    }
    return {"apiVersion": world.api.api_version, "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}
