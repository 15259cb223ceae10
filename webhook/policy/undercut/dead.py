"""Dead: rules that can never decide anything, by their order, by what comes before them, or in themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from webhook.policy.baseline import DNS_ALLOW
from webhook.policy.finding import Complaint
from webhook.policy.objects import TIER_DEFAULT, Action, Direction, Policy
from webhook.policy.ranges import AddressSet
from webhook.policy.settings import DenyForm
from webhook.policy.subjects import is_baseline
from webhook.policy.undercut.boxes import Region, Shape, shape
from webhook.policy.undercut.judgement import TERMINAL, Judgement
from webhook.policy.undercut.peers import Kind, Peer
from webhook.policy.undercut.reach import Place, last_order
from webhook.policy.undercut.search import Budget, TooComplexError, find, is_settled, model
from webhook.policy.undercut.settled import Settled
from webhook.policy.undercut.witness import baseline_of
from webhook.policy.world import World

# A warning may cost a part of what a refusal may.
_STEPS = 10_000
_Flow = tuple[Peer, Peer, Region]  # of one subject with one peer


def dead_complaints(policy: Policy, world: World) -> Iterator[Complaint]:
    """Say which rules decide nothing; where that takes too long to find out, say nothing: this is a courtesy."""
    if is_baseline(policy, world):
        return
    judgement = replace(Judgement.of(policy, world), budget=Budget(_STEPS))
    if not judgement.subjects:
        return
    late = _too_late(judgement)
    if late is not None:
        yield late
        return
    try:
        if not any(_can_be(judgement, subject) for subject in judgement.subjects):
            yield Complaint("selects no pod: its selectors cannot all be true", "spec.selector", fix="correct them")
            return
        for direction in Direction:
            yield from _dead_rules(judgement, direction)
    except TooComplexError:
        return


def _can_be(judgement: Judgement, subject: Peer) -> bool:
    return model(judgement.selected(subject), judgement.budget) is not None


def _too_late(judgement: Judgement) -> Complaint | None:
    policy, settings = judgement.policy, judgement.universe.settings
    match judgement.standing.place:
        case Place.NOWHERE:
            what = f"is in tier {policy.tier}, which does not exist: it comes last and decides nothing"
            return Complaint(what, "spec.tier", fix=f"set spec.tier to {TIER_DEFAULT}")
        case Place.AFTER:
            what = f"is in tier {policy.tier}, behind tier {TIER_DEFAULT}, where default-deny has decided everything"
            return Complaint(what, "spec.tier", fix=f"set spec.tier to {TIER_DEFAULT}")
        case _:
            pass
    if not judgement.standing.is_after_deny:
        return None
    order = f"has order {policy.order:.17g}" if policy.order_declared else "has no order, which is the last"
    last = last_order(settings)
    by = "default-deny" if settings.deny_form is DenyForm.EXPLICIT else "isolation-floor"
    low, high = settings.orders.tenants
    return Complaint(
        f"{order}, behind {by} ({last:g}), which has decided everything",
        "spec.order",
        fix=f"set spec.order between {low:g} and {high:g}",
    )


def _dead_rules(judgement: Judgement, direction: Direction) -> Iterator[Complaint]:
    earlier = Settled()
    for seen in judgement.shapes(direction):
        reason = _reason(judgement, direction, seen, earlier)
        if reason is not None:
            yield reason
        if seen.action in TERMINAL:
            earlier.add(seen)


def _reason(judgement: Judgement, direction: Direction, seen: Shape, earlier: Settled) -> Complaint | None:
    """Why a rule decides nothing, or a Deny denies no pod; None when it does what it says."""
    path = seen.rule.path
    if not any(find(region, (), judgement.budget) for _, _, region in _flows(judgement, seen)):
        return Complaint(f"matches nothing: {_contradiction(seen)}", path, fix=f"correct {path}, or remove it")
    if seen.action not in TERMINAL:
        return None
    if earlier.shapes and _settled(judgement, _flows(judgement, seen), earlier):
        alone = (other for other in earlier.shapes if _settled(judgement, _flows(judgement, seen), Settled([other])))
        one = next(alone, None)
        who = one.rule.path if one is not None else f"the {len(earlier.shapes)} rules before it together"
        return Complaint(f"decides nothing: {who} decided before", path, fix=f"move {path} up, or remove it")
    if seen.action is Action.DENY:
        return _masked(judgement, direction, seen)
    return None


def _masked(judgement: Judgement, direction: Direction, seen: Shape) -> Complaint | None:
    """
    A Deny of what the baseline has let through before.

    Hypothetical sets do not count here: it is the pods that the author means. An Allow of the kind misleads nobody.
    """
    if judgement.standing.place is not Place.BESIDE:
        return None
    of_pods = [flow for flow in _flows(judgement, seen) if flow[1].kind in (Kind.POD, Kind.OUTSIDE)]
    names = {subject.namespace for subject, _, _ in of_pods}
    namespaces = [judgement.universe.namespaces[name] for name in names if name in judgement.universe.namespaces]
    if len(namespaces) != 1 or len(names) != 1:
        return None
    for policy in baseline_of(namespaces[0], judgement.world):
        rules = [shape(rule, direction) for rule in policy.rules(direction) if rule.action is Action.ALLOW]
        if policy.order < judgement.policy.order and rules and _settled(judgement, of_pods, Settled(rules)):
            return Complaint(
                f"denies nothing: {policy.name} (order {policy.order:g}) lets it through before",
                seen.rule.path,
                fix="remove it" if policy.name == DNS_ALLOW else f"set spec.order below {policy.order:g}",
            )
    return None


def _settled(judgement: Judgement, flows: Iterable[_Flow], settled: Settled) -> bool:
    budget = judgement.budget
    return all(is_settled(region, settled.covers(subject, peer, budget), budget) for subject, peer, region in flows)


def _contradiction(seen: Shape) -> str:
    service = seen.peer.service or seen.own.service
    if service is not None and not service.namespace:
        return "a service without namespace is none to Calico"
    if seen.own_addresses.is_empty or seen.peer_addresses.is_empty:
        return "its notNets take away all that its nets name"
    if not seen.protocols:
        return "its notProtocol takes away its protocol"
    names = (seen.rule.source.ports, seen.rule.destination.ports)
    if (seen.ports.is_empty or seen.source_ports.is_empty) and not any(match and match.names for match in names):
        return "its notPorts take away all its ports"
    return "its selectors and nets cannot all be true"


def _flows(judgement: Judgement, seen: Shape) -> Iterator[_Flow]:
    """All flows that the rule can match; of its own namespace too, and through sets that may come to be."""
    for subject in judgement.subjects:
        for peer, addresses in _everyone(judgement, seen, subject):
            for region in judgement.regions(seen, subject, peer, addresses):
                yield subject, peer, region


def _everyone(judgement: Judgement, seen: Shape, subject: Peer) -> Iterator[tuple[Peer, AddressSet]]:
    """Pods first: most questions are answered by the first of them."""
    known = judgement.universe.addresses
    met = dict(judgement.peers(seen))
    met.setdefault(subject, known.pods)
    yield from met.items()
    for peer in met:
        if peer.kind is Kind.POD:
            yield replace(peer, kind=Kind.SET), known.outside
