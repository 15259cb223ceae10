"""Witness: one concrete flow for a claim about a policy, put to the evaluator before anyone is told of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf, nextafter

from webhook.policy.baseline import desired, isolation_floor, manifest
from webhook.policy.objects import (
    TIER_DEFAULT,
    Action,
    CalicoApi,
    Direction,
    Labels,
    Meta,
    NamedPort,
    Namespace,
    Policy,
    PolicyKind,
    Ref,
    ServiceEndpoints,
    Tier,
)
from webhook.policy.parse import parse_policy
from webhook.policy.ranges import PROTOCOLS_WITH_PORTS, Family, PortSet
from webhook.policy.selectors import Has
from webhook.policy.settings import Settings
from webhook.policy.traffic import EPHEMERAL_PORT, Evaluator, Flow, Hook
from webhook.policy.undercut.boxes import ICMP_PROTOCOLS, TCP, Region
from webhook.policy.undercut.cast import Actor, Part, actors
from webhook.policy.undercut.judgement import Judgement
from webhook.policy.undercut.leak import Hit
from webhook.policy.undercut.reach import BUILT_IN_TIERS
from webhook.policy.world import World, frozen

_USUAL_PORTS = (8080, 443, 80, 53)
_USUAL_PROTOCOLS = (TCP, 17, 132)
_ECHO = {4: 8 << 8, 6: 128 << 8}
_ENFORCED = {
    PolicyKind.STAGED_NETWORK_POLICY: PolicyKind.NETWORK_POLICY,
    PolicyKind.STAGED_GLOBAL_NETWORK_POLICY: PolicyKind.GLOBAL_NETWORK_POLICY,
    PolicyKind.STAGED_KUBERNETES_NETWORK_POLICY: PolicyKind.KUBERNETES_NETWORK_POLICY,
}
_LATER = "later"
FAMILIES: tuple[Family, ...] = (4, 6)


class ReplayFailedError(Exception):
    """Raised when the evaluator does not see the flow that the reasoning claims: one of the two is wrong."""

    def __init__(self, ref: Ref, path: str, claim: str) -> None:
        super().__init__(f"{ref} {path}: no flow could be replayed that is {claim}")
        self.ref = ref
        self.path = path
        self.claim = claim


@dataclass(frozen=True, slots=True)
class Witness:
    """A flow that was replayed: with the policy the hook says one thing, with the baseline alone the other."""

    direction: Direction
    flow: Flow
    subject: Actor
    peer: Actor
    before: Hook
    after: Hook

    @property
    def source(self) -> Actor:
        return self.peer if self.direction is Direction.INGRESS else self.subject

    @property
    def destination(self) -> Actor:
        return self.subject if self.direction is Direction.INGRESS else self.peer


def replayed(
    judgement: Judgement, direction: Direction, hit: Hit, path: str, *, opens: bool, passes_on: bool = False
) -> Witness:
    """
    Find concrete ends for the hit and put the flow to the evaluator, with the policy and without.

    It must be let through and dropped, in this order, for a policy that `opens`, and the other way round for one that
    blocks. One that `passes_on` flows is shown with a later tier that drops them.

    Raises:
        ReplayFailedError: when no candidate shows what is claimed.
    """
    for subject, peer, family in casts(judgement, direction, hit):
        found = replay(judgement, direction, hit, (subject, peer), family, opens=opens, passes_on=passes_on)
        if found is not None:
            return found
    raise ReplayFailedError(judgement.policy.ref, path, "let through" if opens else "dropped")


def casts(judgement: Judgement, direction: Direction, hit: Hit) -> Iterator[tuple[Actor, Actor, Family]]:
    region, world = hit.found.region, judgement.world
    own_port, peer_port = _named_ports(direction, region)
    for family in _families(region):
        taken = region.peer_addresses.only(family)
        only_one = len(taken.cidrs()) == 1 and taken.cidrs()[0].is_address
        left = region.own_addresses.difference(taken) if only_one else region.own_addresses
        own = Part(hit.subject, region.own, hit.found.own_labels, left, own_port)
        other = Part(hit.peer, region.peer, hit.found.peer_labels, region.peer_addresses, peer_port)
        for subject in actors(own, family, world, ()):
            for peer in actors(other, family, world, (subject,)):
                yield subject, peer, family


def _families(region: Region) -> Iterator[Family]:
    for family in FAMILIES:
        ends = (region.peer_addresses.only(family), region.own_addresses.only(family))
        if not replace(region, peer_addresses=ends[0], own_addresses=ends[1]).is_empty:
            yield family


def _named_ports(direction: Direction, region: Region) -> tuple[NamedPort | None, NamedPort | None]:
    """The ports that the two ends must have a name for: of the receiver, or of the sender."""
    received = sent = None
    if region.port_name:
        received = NamedPort(region.port_name, _protocol(region, 4), _port(region.ports))
    if region.source_port_name:
        sent = NamedPort(region.source_port_name, _protocol(region, 4), _source_port(region))
    return (received, sent) if direction is Direction.INGRESS else (sent, received)


def _protocol(region: Region, family: Family) -> int:
    # Of the two ICMPs that of the family; and 0 is no protocol that a packet has.
    wanted: tuple[int, ...] = (*_USUAL_PROTOCOLS, 1 if family == 4 else 58, *range(1, 256), 0)
    return next(number for number in wanted if region.protocols >> number & 1)


def _port(ports: PortSet) -> int:
    for number in _USUAL_PORTS:
        if ports.contains(number):
            return number
    low, high = ports.ranges[0]
    return 1 if low == 0 < high else low


def _source_port(region: Region) -> int:
    return EPHEMERAL_PORT if region.source_ports.contains(EPHEMERAL_PORT) else _port(region.source_ports)


def flow_of(direction: Direction, region: Region, subject: Actor, peer: Actor, family: Family) -> Flow:
    protocol = _protocol(region, family)
    icmp = None
    port = _port(region.ports) if protocol in PROTOCOLS_WITH_PORTS else 0
    if ICMP_PROTOCOLS >> protocol & 1:
        echo = _ECHO[family]
        icmp = divmod(echo if region.ports.contains(echo) else region.ports.ranges[0][0], 256)
    source, destination = (peer, subject) if direction is Direction.INGRESS else (subject, peer)
    return Flow(source.end, destination.end, protocol, port, _source_port(region), icmp, family)


def replay(
    judgement: Judgement,
    direction: Direction,
    hit: Hit,
    cast: tuple[Actor, Actor],
    family: Family,
    *,
    opens: bool,
    passes_on: bool = False,
) -> Witness | None:
    """Ask the evaluator about one cast; None when it does not show the claim."""
    subject, peer = cast
    region = hit.found.region
    flow = flow_of(direction, region, subject, peer, family)
    before = stage(judgement, region, flow, subject, peer, passes_on=passes_on)
    after = before.with_policies(enforced(judgement.policy, judgement.world.settings))
    hooks = [_hook(world, flow, direction) for world in (before, after)]
    if hooks[0] is None or hooks[1] is None or hooks[1].allowed is not opens or hooks[0].allowed is opens:
        return None
    return Witness(direction, flow, subject, peer, hooks[0], hooks[1])


def _hook(world: World, flow: Flow, direction: Direction) -> Hook | None:
    return next((hook for hook in Evaluator(world).verdict(flow).hooks if hook.direction is direction), None)


def enforced(policy: Policy, settings: Settings) -> Policy:
    """The policy as it is in force: a staged one once promoted, and one that ties with the baseline before it."""
    orders = settings.orders
    ties = policy.tier == TIER_DEFAULT and policy.order in (
        orders.same_environment,
        orders.dns,
        orders.deny,
        orders.floor,
    )
    order = nextafter(policy.order, -inf) if ties else policy.order
    return replace(policy, staged=False, kind=_ENFORCED.get(policy.kind, policy.kind), order=order)


def stage(
    judgement: Judgement, region: Region, flow: Flow, subject: Actor, peer: Actor, *, passes_on: bool = False
) -> World:
    """A world of the two ends and the baseline alone; with a tier behind it where the claim is about one."""
    cast, world = (subject, peer), judgement.world
    namespaces = [actor.namespace for actor in cast if actor.namespace is not None]
    policies = [found for namespace in namespaces for found in baseline_of(namespace, world)]
    if world.api is not CalicoApi.KUBERNETES:
        policies.append(_floor(world.settings, world.api))
    services = {}
    if region.service is not None:
        place = (region.service.namespace, region.service.name)
        endpoint = (peer.address.address, flow.protocol, flow.port)
        services[place] = ServiceEndpoints(*place, has_selector=False, endpoints=(endpoint,))
    staged = World(
        world.settings,
        api=world.api,
        namespaces=frozen({namespace.name: namespace for namespace in namespaces}),
        tiers=frozen({**BUILT_IN_TIERS, **world.tiers}),
        policies=frozen({policy.ref: policy for policy in policies}),
        pods=frozen({(p.meta.namespace, p.meta.name): p for p in (actor.pod for actor in cast) if p is not None}),
        service_accounts=frozen(
            {(a.meta.namespace, a.meta.name): a for a in (actor.account for actor in cast) if a is not None}
        ),
        network_sets=frozen({s.ref: s for s in (actor.network_set for actor in cast) if s is not None}),
        host_endpoints=frozen({h.ref: h for h in (actor.host for actor in cast) if h is not None}),
        services=frozen(services),
    )
    return _with_later_tier(staged) if passes_on else staged


def _with_later_tier(world: World) -> World:
    """The same with a tier behind the baseline's that lets nothing through, as whoever makes tiers may add."""
    baseline = world.tiers[TIER_DEFAULT]
    tier = Tier(_LATER, nextafter(baseline.order, inf), Action.DENY)
    ref = Ref("projectcalico.org", PolicyKind.GLOBAL_NETWORK_POLICY.value, "", _LATER)
    policy = Policy(
        ref,
        PolicyKind.GLOBAL_NETWORK_POLICY,
        Meta(_LATER),
        _LATER,
        0.0,
        order_declared=True,
        types=frozenset(Direction),
        types_declared=True,
        subject=Has("projectcalico.org/namespace"),
    )
    return world.with_tier(tier).with_policies(policy)


@lru_cache(maxsize=256)
def _baseline(name: str, labels: frozenset[tuple[str, str]], settings: Settings, api: CalicoApi) -> tuple[Policy, ...]:
    namespace = Namespace(Meta(name, labels=Labels(dict(labels))))
    wanted = desired(namespace, settings)
    return tuple(parse_policy(manifest(found, api, settings)) for found in wanted)


@lru_cache(maxsize=8)
def _floor(settings: Settings, api: CalicoApi) -> Policy:
    return parse_policy(manifest(isolation_floor(settings), api, settings))


def baseline_of(namespace: Namespace, world: World) -> tuple[Policy, ...]:
    """The baseline policies of a namespace, as the evaluator reads them; none where it is exempt."""
    if not world.is_managed(namespace.name):
        return ()
    return _baseline(namespace.name, frozenset(namespace.meta.labels.items()), world.settings, world.api)
