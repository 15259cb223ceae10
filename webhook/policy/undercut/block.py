"""Block: the flows of the floor, DNS, that a policy drops, or hands to tiers where nothing guarantees them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from webhook.policy.objects import Action, Direction
from webhook.policy.settings import UNASSIGNED, Reach
from webhook.policy.undercut.boxes import Region, Shape
from webhook.policy.undercut.ceiling import floor, is_same_namespace
from webhook.policy.undercut.judgement import Judgement
from webhook.policy.undercut.leak import MAX_HITS, Hit
from webhook.policy.undercut.peers import Kind, Peer
from webhook.policy.undercut.reach import Place
from webhook.policy.undercut.search import both, find
from webhook.policy.undercut.settled import Settled


@dataclass(frozen=True, slots=True)
class Block:
    """
    All ways in which one rule cuts the floor; without a rule it is the end of the tier that does.

    `settled` is a digest of the earlier rules that take something away from it.
    """

    shape: Shape | None
    hits: tuple[Hit, ...]
    settled: str


def blocks(judgement: Judgement) -> Iterator[Block]:
    """
    Find what drops flows of the floor.

    Like Deny counts a Pass out of the baseline's tier, for what follows there is nobody's promise; and, in an earlier
    tier that ends in a drop, that the policy selects a pod at all and leaves these flows undecided.

    Raises:
        TooComplexError: when the budget is spent.
    """
    standing = judgement.standing
    if not standing.can_block or not judgement.subjects or Direction.EGRESS not in judgement.policy.types:
        return
    cutting = {Action.DENY} if standing.place is Place.BEFORE else {Action.DENY, Action.PASS}
    rules = judgement.policy.rules(Direction.EGRESS)
    if not standing.drops_the_rest and not any(rule.action in cutting for rule in rules):
        return
    shapes = judgement.shapes(Direction.EGRESS)
    settled = Settled()
    for seen in shapes:
        if seen.action in cutting:
            hits = tuple(islice(_hits(judgement, seen, settled), MAX_HITS))
            if hits:
                yield Block(seen, hits, settled.digest)
        # A Pass that cuts also settles what comes after it.
        if seen.action in (Action.ALLOW, Action.PASS):
            settled.add(seen)
    if standing.drops_the_rest:
        decided = Settled([seen for seen in shapes if seen.action is not Action.LOG])
        hits = tuple(islice(_hits(judgement, None, decided), MAX_HITS))
        if hits:
            yield Block(None, hits, decided.digest)


def _hits(judgement: Judgement, seen: Shape | None, settled: Settled) -> Iterator[Hit]:
    for subject in judgement.subjects:
        for peer, guaranteed in floor(judgement.universe, judgement.world):
            judgement.budget.spend(1)
            if _is_allowed_before(judgement, subject, peer):
                continue
            covers = settled.covers(subject, peer, judgement.budget)
            for region in _cut(judgement, seen, subject, peer, guaranteed):
                found = find(region, covers, judgement.budget)
                if found is not None:
                    yield Hit(subject, peer, found)
                    break


def _cut(judgement: Judgement, seen: Shape | None, subject: Peer, peer: Peer, guaranteed: Region) -> Iterator[Region]:
    """The guaranteed flows that the rule, or the end of the tier, gets to see."""
    if seen is None:
        yield both(guaranteed, Region(own=judgement.selected(subject)))
        return
    service = seen.peer.service
    if service is not None and service.namespace != peer.namespace:
        behind = judgement.world.services.get((service.namespace, service.name))
        if behind is not None and behind.has_selector:
            return
    for region in judgement.regions(seen, subject, peer, guaranteed.peer_addresses):
        cut = both(guaranteed, region)
        if not cut.is_empty:
            yield cut


def _is_allowed_before(judgement: Judgement, subject: Peer, peer: Peer) -> bool:
    """Whether the same-environment allow of the baseline, coming earlier, lets everything to these servers pass."""
    if peer.kind is not Kind.POD or not judgement.standing.is_after_same_environment:
        return False
    reach = judgement.universe.settings.same_environment
    own = judgement.universe.ceiling_environment(subject)
    if reach is Reach.NONE:
        return False
    if reach is Reach.NAMESPACE or own == UNASSIGNED:
        return is_same_namespace(subject, peer)
    return peer.environment == own
