"""Judge: the complaints about one policy, each with a flow that was replayed and a fix that was tried; the one door."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.finding import Complaint
from webhook.policy.objects import Action, Direction, Policy
from webhook.policy.undercut.block import blocks
from webhook.policy.undercut.explain import block_complaint, leak_complaint, too_complex, unheard
from webhook.policy.undercut.fix import block_fix, leak_fix
from webhook.policy.undercut.judgement import Judgement
from webhook.policy.undercut.leak import Hit, leaks
from webhook.policy.undercut.peers import Kind
from webhook.policy.undercut.search import TooComplexError
from webhook.policy.undercut.witness import replayed
from webhook.policy.world import World

# So many are shown with an example and a fix, and so many are spoken of at all: hundreds would take seconds, and
# nobody reads them.
MAX_SHOWN, MAX_FOUND = 8, 64
# The most telling example first.
_TELLING = (Kind.POD, Kind.OUTSIDE, Kind.SET, Kind.HOST, Kind.GLOBAL_SET)


def leak_complaints(policy: Policy, world: World, action: Action = Action.ALLOW) -> Iterator[Complaint]:
    """
    Say which rules with this action open more than the ceiling permits.

    Raises:
        ReplayFailedError: when the evaluator does not see a flow that the reasoning claims.
    """
    judgement = Judgement.of(policy, world)
    try:
        for number, leak in enumerate(leaks(judgement, action)):
            if number == MAX_FOUND:
                yield unheard(judgement, leak.shape.rule.path)
                return
            if number >= MAX_SHOWN:
                yield leak_complaint(judgement, leak)
                continue
            hit = _most_telling(leak.hits)
            witness = replayed(judgement, leak.direction, hit, leak.shape.rule.path, opens=True)
            yield leak_complaint(judgement, leak, witness, leak_fix(judgement, leak))
    except TooComplexError:
        yield too_complex(judgement, "it opens more than settings permit")


def block_complaints(policy: Policy, world: World) -> Iterator[Complaint]:
    """
    Say which rules, or which tier, cut managed pods off from DNS.

    Raises:
        ReplayFailedError: when the evaluator does not see a flow that the reasoning claims.
    """
    judgement = Judgement.of(policy, world)
    try:
        for number, block in enumerate(blocks(judgement)):
            if block.shape is not None and number == MAX_FOUND:
                yield unheard(judgement, block.shape.rule.path)
                return
            if number >= MAX_SHOWN:
                yield block_complaint(judgement, block)
                continue
            path = block.shape.rule.path if block.shape is not None else "spec.tier"
            passes_on = block.shape is not None and block.shape.action is Action.PASS
            hit = _most_telling(block.hits)
            witness = replayed(judgement, Direction.EGRESS, hit, path, opens=False, passes_on=passes_on)
            yield block_complaint(judgement, block, witness, block_fix(judgement, block))
    except TooComplexError:
        yield too_complex(judgement, "it leaves DNS alone")


def _most_telling(hits: tuple[Hit, ...]) -> Hit:
    """Pods of an environment before pods of none, and these before addresses and sets."""
    return min(hits, key=lambda hit: (_TELLING.index(hit.peer.kind), hit.peer.environment is None))
