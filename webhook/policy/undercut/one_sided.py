"""One-sided: an accepted Allow whose other end is still closed, and the policy that is missing there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from webhook.policy.endpoints import PodRef
from webhook.policy.objects import TIER_DEFAULT, Action, CalicoApi, Direction, Policy
from webhook.policy.selectors import NAMESPACE_PREFIX, All, Global, Leaf, Selector
from webhook.policy.traffic import Evaluator, Flow
from webhook.policy.undercut.boxes import ANY_ADDRESS, Region, Shape
from webhook.policy.undercut.cast import Actor
from webhook.policy.undercut.ceiling import permitted
from webhook.policy.undercut.judgement import Judgement
from webhook.policy.undercut.leak import Hit
from webhook.policy.undercut.opening import Manifest, policy_for
from webhook.policy.undercut.peers import Kind, Peer, residual, simplified
from webhook.policy.undercut.search import TooComplexError, both, find
from webhook.policy.undercut.universe import Universe
from webhook.policy.undercut.witness import casts, enforced, flow_of
from webhook.policy.world import World, frozen

_MAX_PLACES = 3
_MAX_SAID = 8
_USUAL_ORDER = 600


@dataclass(frozen=True, slots=True)
class OneSided:
    """A rule, the namespace whose pods are not let through at their own end, and what would let them."""

    path: str
    namespace: str
    detail: str
    policy: Manifest


def one_sided(policy: Policy, world: World) -> Iterator[OneSided]:
    """
    Say where the other end of what a policy allows is closed still: a flow needs both.

    Only namespaces that exist are looked at, a few for each rule; a policy that takes too long is passed over.
    """
    judgement = Judgement.of(policy, world)
    if not judgement.standing.can_open or policy.staged:
        return
    said: set[tuple[str, str]] = set()
    try:
        for direction in Direction:
            for seen in judgement.shapes(direction):
                if seen.action is Action.ALLOW and len(said) < _MAX_SAID:
                    for found in _of_rule(judgement, direction, seen):
                        if (found.namespace, found.detail) not in said:
                            said.add((found.namespace, found.detail))
                            yield found
    except TooComplexError:
        return


def _of_rule(judgement: Judgement, direction: Direction, seen: Shape) -> Iterator[OneSided]:
    for subject, peer in islice(_places(judgement, direction, seen), _MAX_PLACES):
        pods = judgement.universe.addresses.pods
        for region in islice(judgement.regions(seen, subject, peer, pods), 1):
            found = _closed(judgement, direction, seen, subject, peer, region)
            if found is not None:
                yield found


def _places(judgement: Judgement, direction: Direction, seen: Shape) -> Iterator[tuple[Peer, Peer]]:
    """The managed namespaces of other environments that a rule may match and settings permit, as they are."""
    universe = judgement.universe
    # Whoever names addresses means no environment.
    if seen.peer.nets is not None:
        return
    known = {peer for peer, _ in judgement.peers(seen) if peer.kind is Kind.POD}
    for subject in judgement.subjects:
        others = {
            peer
            for peer in known
            if peer.environment not in (subject.environment, None) and _is_permitted(direction, subject, peer, universe)
        }
        if not others or subject.namespace not in universe.namespaces:
            continue
        judgement.budget.spend(len(universe.namespaces))
        for name in sorted(universe.namespaces):
            for peer in universe.pods_of(name):
                is_meant = peer in others or replace(peer, namespace="") in others
                if is_meant and universe.is_managed(name) and _fits(seen.peer.selector, peer, universe):
                    yield subject, peer


def _fits(selector: Selector | None, peer: Peer, universe: Universe) -> bool:
    """Whether a selector may match pods of a namespace with the labels that it has today."""
    left = residual(selector, peer) if selector is not None else True
    if isinstance(left, bool):
        return left
    labels = universe.namespaces[peer.namespace].meta.labels
    inherited = {NAMESPACE_PREFIX + key: value for key, value in labels.items()}

    def value(leaf: Leaf) -> bool | Leaf:
        is_known = not isinstance(leaf, All | Global) and leaf.key.startswith(NAMESPACE_PREFIX)
        return leaf.matches(inherited) if is_known else leaf

    return simplified(left, value) is not False


def _is_permitted(direction: Direction, subject: Peer, peer: Peer, universe: Universe) -> bool:
    """Whether settings permit anything between the two as pods; what is listed by its address is no pod's."""
    covers = permitted(direction, subject, peer, universe)
    return any(cover.peer_addresses is ANY_ADDRESS for cover in covers)


def _closed(
    judgement: Judgement, direction: Direction, seen: Shape, subject: Peer, peer: Peer, region: Region
) -> OneSided | None:
    """Put one flow between real places to the evaluator; None when the other end is open."""
    found = find(region, (), judgement.budget)
    if found is None:
        return None
    for own, other, family in islice(casts(judgement, direction, Hit(subject, peer, found)), 2):
        # Not a namespace as it might be labelled one day.
        if other.namespace is None or other.namespace != judgement.universe.namespaces.get(peer.namespace):
            continue
        world = _stage(judgement, own, other)
        flow = flow_of(direction, found.region, own, other, family)
        hooks = {hook.direction: hook for hook in Evaluator(world).verdict(flow).hooks}
        there = Direction.EGRESS if direction is Direction.INGRESS else Direction.INGRESS
        is_closed = direction in hooks and hooks[direction].allowed and there in hooks and not hooks[there].allowed
        if is_closed and not _may_be_open(judgement, there, subject, peer, found.region):
            return _said(direction, there, seen, flow, other, world)
    return None


def _may_be_open(judgement: Judgement, there: Direction, subject: Peer, peer: Peer, region: Region) -> bool:
    """Whether some policy at the other end lets part of this through, for pods with other labels perhaps."""
    for policy in judgement.world.policies.values():
        if policy.ref.namespace in ("", peer.namespace) and not policy.staged:
            other = Judgement.of(policy, judgement.world)
            if not other.standing.can_open or not {peer, replace(peer, namespace="")} & set(other.subjects):
                continue
            for seen in other.shapes(there):
                pods = judgement.universe.addresses.pods
                if seen.action is Action.ALLOW and any(
                    not both(found, region).is_empty for found in other.regions(seen, peer, subject, pods)
                ):
                    return True
    return False


def _stage(judgement: Judgement, *cast: Actor) -> World:
    """The world, with only the policies that can matter to the two."""
    world = judgement.world
    places = {"", *(actor.namespace.name for actor in cast if actor.namespace is not None)}
    policies = {ref: policy for ref, policy in world.policies.items() if ref.namespace in places}
    policies[judgement.policy.ref] = enforced(judgement.policy, world.settings)
    pods = {(pod.meta.namespace, pod.meta.name): pod for pod in (actor.pod for actor in cast) if pod is not None}
    return replace(world, policies=frozen(policies), pods=frozen(pods), network_sets=frozen({}))


def _said(direction: Direction, there: Direction, seen: Shape, flow: Flow, other: Actor, world: World) -> OneSided:
    assert other.namespace is not None
    assert isinstance(other.end, PodRef)
    name = other.namespace.name
    own = flow.destination if direction is Direction.INGRESS else flow.source
    assert isinstance(own, PodRef)
    verb = "send to" if there is Direction.EGRESS else "receive from"
    detail = (
        f"opens one side only: pods of {name} may not {verb} {own.namespace} yet; "
        f"{name} needs a policy for {there.value.lower()}"
    )
    return OneSided(seen.rule.path, name, detail, _missing(there, seen, flow, world))


def _missing(there: Direction, seen: Shape, flow: Flow, world: World) -> Manifest:
    """The other end's policy: as wide as the rule at this end, not only for the flow that was tried."""
    manifest: dict[str, Any] = dict(policy_for(there, flow, world, _USUAL_ORDER))
    if world.api is CalicoApi.KUBERNETES or seen.rule.protocol is not None:
        return manifest
    field = there.value.lower()
    (rule,) = manifest["spec"][field]
    wide = {key: value for key, value in rule.items() if key not in ("protocol", "icmp")}
    for side in ("source", "destination"):
        if side in wide:
            wide[side] = {key: value for key, value in wide[side].items() if key != "ports"}
    spec = {**manifest["spec"], "tier": TIER_DEFAULT, field: [{k: v for k, v in wide.items() if v}]}
    return {**manifest, "spec": spec}
