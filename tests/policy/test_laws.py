"""The laws of the guard's reasoning, in random worlds that keep the guard's invariants and otherwise try to break it."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dice import Dice
from tests.policy.invariants import flows, ground, is_dns, is_permitted, settings_of, tenants_policy
from webhook.policy.objects import Action, Direction, Policy
from webhook.policy.parse import parse_policy
from webhook.policy.subjects import is_baseline
from webhook.policy.traffic import Evaluator
from webhook.policy.undercut.judge import block_complaints, leak_complaints
from webhook.policy.world import World

RANDOMS = st.randoms(use_true_random=False)
POLICIES, FLOWS = 6, 120


def opens(policy: Policy, world: World) -> bool:
    """Whether the guard refuses the policy for what it opens; every refusal replays its witness on the way."""
    return any(leak_complaints(policy, world)) or any(leak_complaints(policy, world, Action.PASS))


def blocks(policy: Policy, world: World) -> bool:
    return any(block_complaints(policy, world))


def check_composition(random: Random, tally: dict[str, int]) -> None:
    """All that is accepted one by one, together and later: nothing beyond the ceiling opens, and DNS stays."""
    dice = Dice(random, crooked=0)
    stage = ground(dice, settings_of(dice))
    drawn = [parse_policy(tenants_policy(random)) for _ in range(POLICIES)]
    # In the place of the baseline's own policies others never stand: baseline-names-reserved.
    candidates = [policy for policy in drawn if not is_baseline(policy, stage.judged)]
    accepted = [policy for policy in candidates if not opens(policy, stage.judged)]
    harmless = [policy for policy in accepted if not blocks(policy, stage.judged)]
    tally["judged"] += len(candidates)
    tally["accepted"] += len(accepted)
    for kept, dns in ((accepted, False), (harmless, True)):
        world = stage.later.with_policies(*kept)
        evaluator = Evaluator(world)
        for flow in flows(world, random, FLOWS):
            for hook in evaluator.verdict(flow).hooks:
                if not world.is_managed(hook.pod.namespace):
                    continue
                tally["flows"] += 1
                if not is_permitted(hook.direction, hook.pod, flow, world):
                    tally["forbidden"] += 1
                    assert not hook.allowed, f"{flow} passes by {hook.decided_by}"
                elif dns and hook.direction is Direction.EGRESS and is_dns(flow, world):
                    tally["dns"] += 1
                    assert hook.allowed, f"{flow} is cut by {hook.decided_by}"


@settings(max_examples=60, deadline=None)
@given(RANDOMS)
def test_what_is_accepted_opens_nothing_beyond_the_ceiling(random: Random) -> None:
    check_composition(random, dict.fromkeys(("judged", "accepted", "flows", "forbidden", "dns"), 0))
