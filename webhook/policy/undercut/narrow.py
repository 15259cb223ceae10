"""Narrow: whether a changed policy lets through, beyond the ceiling, anything that it did not let through before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from webhook.policy.objects import Action, Direction, Policy
from webhook.policy.selectors import conjunction
from webhook.policy.undercut.boxes import Cover, Region, Shape, cover
from webhook.policy.undercut.ceiling import is_everything, permitted
from webhook.policy.undercut.judgement import TERMINAL, Judgement
from webhook.policy.undercut.peers import Peer, named_namespaces, residual
from webhook.policy.undercut.reach import Place
from webhook.policy.undercut.search import Budget, TooComplexError, both, find
from webhook.policy.undercut.settled import Settled
from webhook.policy.undercut.universe import Placed
from webhook.policy.world import World


@dataclass(frozen=True, slots=True)
class _Pair:
    """A policy before and after a change, and the rules of both in one direction; what the later one denies itself."""

    before: Judgement
    after: Judgement
    direction: Direction
    old_rules: tuple[Shape, ...]
    budget: Budget


def opens_more(old: Policy, new: Policy, world: World) -> bool:
    """
    Say whether any flow beyond the ceiling that the new policy allows was not allowed by the old one.

    What cannot be told, or takes too long, counts as more; so does an Allow that is brought forward.
    """
    before, after = Judgement.of(old, world), Judgement.of(new, world)
    if old.tier != new.tier or new.order < old.order or old.staged or new.staged or not before.standing.can_open:
        return True
    if not before.subjects:
        return True
    try:
        return any(_opens_more(before, after, direction) for direction in Direction)
    except TooComplexError:
        return True


def _opens_more(before: Judgement, after: Judgement, direction: Direction) -> bool:
    old_rules = tuple(seen for seen in before.shapes(direction) if seen.action in TERMINAL)
    pair = _Pair(before, after, direction, old_rules, after.budget)
    taking = {Action.DENY} if after.standing.place is Place.BESIDE else {Action.DENY, Action.PASS}
    settled = Settled()
    for seen in after.shapes(direction):
        if seen.action in taking:
            settled.add(seen)
        elif seen.action is Action.ALLOW and _rule_opens_more(pair, seen, settled):
            return True
    return False


def _rule_opens_more(pair: _Pair, seen: Shape, settled: Settled) -> bool:
    for subject in _subjects(pair):
        for peer, addresses in _peers(pair, seen):
            pair.budget.spend(1)
            allowed = permitted(pair.direction, subject, peer, pair.after.universe)
            if is_everything(allowed):
                continue
            covers = [*allowed, *settled.covers(subject, peer, pair.budget)]
            for region in pair.after.regions(seen, subject, peer, addresses):
                if _is_more(pair, region, subject, (peer, addresses), covers):
                    return True
    return False


def _is_more(pair: _Pair, region: Region, subject: Peer, placed: Placed, covers: Sequence[Cover]) -> bool:
    """Walk the old rules as Calico would: what one of them denied, or none allowed, is more."""
    peer, addresses = placed
    left = list(covers)
    selected = residual(pair.before.policy.subject, subject)
    for seen in pair.old_rules if selected is not False else ():
        if seen.action is not Action.ALLOW:
            if region.port_name or region.source_port_name or region.service is not None:
                return True
            for denied in pair.before.regions(seen, subject, peer, addresses):
                if find(both(region, denied), left, pair.budget) is not None:
                    return True
        known = cover(seen, subject, peer)
        if known is not None:
            own = [known.own] if known.own is not None else []
            own += [] if isinstance(selected, bool) else [selected]
            left.append(replace(known, own=conjunction(*own) if own else None))
    return find(region, left, pair.budget) is not None


def _subjects(pair: _Pair) -> Iterator[Peer]:
    """Whom the new policy may select; those apart that only the old one names."""
    universe, chosen = pair.after.universe, pair.after.policy.subject
    yield from pair.after.subjects
    for peer in universe.pods_named(named_namespaces(pair.before.policy.subject)):
        if universe.is_managed(peer.namespace) and residual(chosen, peer) is not False:
            yield peer


def _peers(pair: _Pair, seen: Shape) -> Iterator[Placed]:
    """Whoever the new rule may match; those apart that only an old rule names."""
    yield from pair.after.peers(seen)
    if seen.peer.service is not None:
        return
    for old in pair.old_rules:
        for selector in (old.peer.selector, old.peer.not_selector):
            if selector is not None:
                for peer in pair.after.universe.pods_named(named_namespaces(selector)):
                    yield peer, pair.after.universe.addresses.pods
