"""Traffic: whether a flow passes, as Felix decides it from tiers, policies and profiles, and what decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from webhook.policy.endpoints import Directory, PodRef, has_profile, labels_of
from webhook.policy.flows import EPHEMERAL_PORT, Decision, Flow, Hook, Step, Verdict
from webhook.policy.matching import End, Matcher, Packet
from webhook.policy.objects import (
    DEFAULT_TIER_ORDER,
    TIER_DEFAULT,
    Action,
    Direction,
    Labels,
    Pod,
    Policy,
    Tier,
)
from webhook.policy.ranges import PROTOCOLS, Cidr, Family
from webhook.policy.world import World

__all__ = [
    "EPHEMERAL_PORT",
    "Decision",
    "Evaluator",
    "Flow",
    "Hook",
    "PodRef",
    "Step",
    "TierStack",
    "Verdict",
    "applicable",
    "evaluator",
    "labels_of",
    "policy_order",
    "tie_key",
    "tier_order",
    "verdict",
]

_ECHO_REQUEST = {4: (8, 0), 6: (128, 0)}

# Every cluster has these; a world made of files need not name them.
_BUILT_IN: dict[str, Tier] = {
    tier.name: tier
    for tier in (
        Tier("kube-admin", 1_000.0, Action.PASS),
        Tier("adminnetworkpolicy", 1_000.0, Action.PASS),
        Tier(TIER_DEFAULT, DEFAULT_TIER_ORDER, Action.DENY),
        Tier("kube-baseline", 10_000_000.0, Action.PASS),
        Tier("baselineadminnetworkpolicy", 10_000_000.0, Action.PASS),
    )
}


@dataclass(frozen=True, slots=True)
class TierStack:
    """The policies of one tier that select a pod and govern a direction, in order; staged ones are there too."""

    tier: Tier
    policies: tuple[Policy, ...]

    @property
    def in_force(self) -> tuple[Policy, ...]:
        return tuple(policy for policy in self.policies if not policy.staged)


def tie_key(policy: Policy) -> str:
    """What decides between equal orders since Calico 3.32, by bytes: `default-deny` is before `default`."""
    return f"{policy.ref.name}/{policy.ref.namespace}/{policy.kind.value}"


def policy_order(policy: Policy) -> tuple[float, str]:
    return policy.order, tie_key(policy)


def tier_order(tier: Tier, *, exists: bool) -> tuple[bool, float, str]:
    """A tier that does not exist comes last, by name; its policies are enforced nevertheless."""
    return not exists, tier.order if exists else 0.0, tier.name


class Evaluator:
    """The verdicts of one world; what it works out once, it keeps."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._directory = Directory(world)
        self._matcher = Matcher(world)
        self._tiers = self._ordered()
        self._stacks: dict[tuple[PodRef, Direction], tuple[TierStack, ...]] = {}

    def _ordered(self) -> tuple[tuple[Tier, tuple[Policy, ...]], ...]:
        """Sort the policies that can ever reach a pod into their tiers."""
        by_tier: dict[str, list[Policy]] = {}
        for policy in self.world.policies.values():
            if not policy.ignored and not policy.host_only and not _is_withdrawn(policy):
                by_tier.setdefault(policy.tier, []).append(policy)
        tiers = {**_BUILT_IN, **self.world.tiers}
        found = {name: tiers.get(name, Tier(name)) for name in by_tier}
        names = sorted(by_tier, key=lambda name: tier_order(found[name], exists=name in tiers))
        return tuple((found[name], tuple(sorted(by_tier[name], key=policy_order))) for name in names)

    def stack(self, pod: PodRef, direction: Direction) -> tuple[TierStack, ...]:
        """Return the tiers with at least one policy that selects the pod and governs the direction, in order."""
        key = (pod, direction)
        stack = self._stacks.get(key)
        if stack is None:
            labels = self._directory.labels(pod)
            stack = self._stacks[key] = () if labels is None else tuple(self._stack(labels, direction))
        return stack

    def _stack(self, labels: Labels, direction: Direction) -> list[TierStack]:
        found = []
        for tier, policies in self._tiers:
            chosen = tuple(p for p in policies if direction in p.types and p.subject.matches(labels))
            if chosen:
                found.append(TierStack(tier, chosen))
        return found

    def verdict(self, flow: Flow) -> Verdict:
        packet = self._packet(flow)
        hooks = []
        for direction, end in ((Direction.EGRESS, packet.source), (Direction.INGRESS, packet.destination)):
            if end.pod is not None and self._directory.labels(end.pod) is not None:
                hooks.append(self._hook(packet, direction, end.pod))
        return Verdict(flow, all(hook.allowed for hook in hooks), tuple(hooks))

    def _packet(self, flow: Flow) -> Packet:
        """Give both ends an address of the same family, where they have one."""
        sides = [self._side(end) for end in (flow.source, flow.destination)]
        known = [{address.family for address in addresses} for _, addresses in sides if addresses]
        common = set.intersection(*known) if known else {4, 6}
        family: Family = flow.family or (4 if 4 in common or not common else 6)
        ends = []
        for pod, addresses in sides:
            address = next((found for found in addresses if found.family == family), None)
            ends.append(End(pod, address, self._directory.peers(address, pod)))
        icmp = flow.icmp or _ECHO_REQUEST[family]
        is_icmp = flow.protocol in (PROTOCOLS["ICMP"], PROTOCOLS["ICMPv6"])
        return Packet(ends[0], ends[1], family, flow.protocol, flow.source_port, flow.port, icmp if is_icmp else None)

    def _side(self, end: PodRef | Cidr) -> tuple[PodRef | None, Sequence[Cidr]]:
        if isinstance(end, Cidr):
            return self._directory.owner(end), (end,)
        return end, self._directory.addresses(end)

    def _hook(self, packet: Packet, direction: Direction, pod: PodRef) -> Hook:
        steps: list[Step] = []
        for stack in self.stack(pod, direction):
            action = self._tier(stack, packet, direction, steps)
            if action is not Action.PASS:
                return Hook(direction, pod, action is Action.ALLOW, tuple(steps))
        allowed = has_profile(pod.namespace, self.world)
        steps.append(Step(Decision.PROFILE, Action.ALLOW if allowed else Action.DENY))
        return Hook(direction, pod, allowed, tuple(steps))

    def _tier(self, stack: TierStack, packet: Packet, direction: Direction, steps: list[Step]) -> Action:
        """Walk one tier; Pass is to go on with the next."""
        last = None
        for policy in stack.in_force:
            last = policy
            for rule in policy.rules(direction):
                if self._matcher.matches(rule, packet):
                    steps.append(Step(Decision.RULE, rule.action, policy.tier, policy.ref, policy.order, rule.path))
                    if rule.action is not Action.LOG:
                        return rule.action
        if last is None:
            # Staged policies alone do not make their tier end anything.
            return Action.PASS
        action = Action.PASS if stack.tier.default_action is Action.PASS else Action.DENY
        steps.append(Step(Decision.END_OF_TIER, action, stack.tier.name, last.ref, last.order))
        return action


def _is_withdrawn(policy: Policy) -> bool:
    return policy.staged and policy.staged_action == "Delete"


_recent: list[Evaluator] = []
_KEPT = 4  # a verdict is usually asked of the world before and after one change


def evaluator(world: World) -> Evaluator:
    """Return the evaluator of this very value, kept for the next question about it."""
    for known in _recent:
        if known.world is world:
            return known
    made = Evaluator(world)
    _recent[:] = [made, *_recent[: _KEPT - 1]]
    return made


def verdict(flow: Flow, world: World) -> Verdict:
    """
    Decide one flow.

    Raises:
        KeyError: when one of its pods is not in the world.
    """
    return evaluator(world).verdict(flow)


def applicable(pod: Pod, direction: Direction, world: World) -> tuple[Policy, ...]:
    """Return the policies that a pod's traffic meets, in order, through all tiers; staged ones too."""
    ref = PodRef(pod.meta.namespace, pod.meta.name)
    return tuple(policy for stack in evaluator(world).stack(ref, direction) for policy in stack.policies)
