"""Leak: the flows that a policy lets through although the ceiling does not permit them, rule by rule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from webhook.policy.objects import Action, Direction
from webhook.policy.ranges import AddressSet
from webhook.policy.undercut.boxes import Cover, Shape
from webhook.policy.undercut.ceiling import is_everything, permitted
from webhook.policy.undercut.judgement import Judgement
from webhook.policy.undercut.peers import Peer
from webhook.policy.undercut.reach import Place
from webhook.policy.undercut.search import Found, find
from webhook.policy.undercut.settled import Settled

# More ways in which one rule leaks add nothing to what is said of it.
MAX_HITS = 24


@dataclass(frozen=True, slots=True)
class Hit:
    """One way in which a rule undercuts: one kind of subject, one kind of peer, and a region all of which does."""

    subject: Peer
    peer: Peer
    found: Found


@dataclass(frozen=True, slots=True)
class Leak:
    """All ways in which one rule leaks; `settled` is a digest of the earlier rules that take something away from it."""

    direction: Direction
    shape: Shape
    hits: tuple[Hit, ...]
    settled: str


def leaks(judgement: Judgement, action: Action = Action.ALLOW) -> Iterator[Leak]:
    """
    Find the rules with this action (Allow, or Pass where it skips the baseline) that leak.

    A rule is judged with the earlier ones of its policy that deny, never with those of other policies: these may go
    tomorrow. Earlier rules that let through are judged themselves.

    Raises:
        TooComplexError: when the budget is spent.
    """
    standing = judgement.standing
    # From an earlier tier, Pass leads to the baseline.
    is_neutral = action is Action.PASS and standing.place is Place.BEFORE
    if not standing.can_open or is_neutral or not judgement.subjects:
        return
    taking = {Action.DENY} if standing.place is Place.BESIDE else {Action.DENY, Action.PASS}
    for direction in Direction:
        if not any(rule.action is action for rule in judgement.policy.rules(direction)):
            continue
        settled = Settled()
        for seen in judgement.shapes(direction):
            if seen.action is action:
                hits = tuple(islice(_hits(judgement, direction, seen, settled), MAX_HITS))
                if hits:
                    yield Leak(direction, seen, hits, settled.digest)
            elif seen.action in taking:
                settled.add(seen)


def _hits(judgement: Judgement, direction: Direction, seen: Shape, settled: Settled) -> Iterator[Hit]:
    known = judgement.universe.addresses
    if seen.peer.nets is not None and known.listed(direction).covers(seen.peer_addresses):
        return
    for subject in judgement.subjects:
        for peer, addresses in judgement.peers(seen):
            judgement.budget.spend(1)
            allowed = permitted(direction, subject, peer, judgement.universe)
            if not is_everything(allowed):
                found = _first(judgement, seen, subject, peer, addresses, allowed, settled)
                if found is not None:
                    yield Hit(subject, peer, found)


def _first(
    judgement: Judgement,
    seen: Shape,
    subject: Peer,
    peer: Peer,
    addresses: AddressSet,
    allowed: tuple[Cover, ...],
    settled: Settled,
) -> Found | None:
    covers: Sequence[Cover] | None = None
    for region in judgement.regions(seen, subject, peer, addresses):
        if covers is None:
            covers = [*allowed, *settled.covers(subject, peer, judgement.budget)]
        found = find(region, covers, judgement.budget)
        if found is not None:
            return found
    return None
