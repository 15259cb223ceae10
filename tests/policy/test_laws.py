"""The laws of the guard's reasoning, in random worlds that keep its invariants and otherwise try to break it."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dice import Dice
from tests.policy.invariants import flows, ground, is_dns, is_permitted, settings_of, tenants_policy
from webhook.policy.baseline import desired, isolation_floor, manifest
from webhook.policy.endpoints import PodRef
from webhook.policy.objects import Action, CalicoApi, Direction, Policy
from webhook.policy.parse import parse_policy
from webhook.policy.ranges import Cidr
from webhook.policy.settings import DenyForm
from webhook.policy.subjects import is_baseline
from webhook.policy.traffic import Evaluator
from webhook.policy.undercut.dead import dead_complaints
from webhook.policy.undercut.fix import with_rules
from webhook.policy.undercut.judge import block_complaints, leak_complaints
from webhook.policy.undercut.judgement import Judgement
from webhook.policy.undercut.leak import leaks
from webhook.policy.undercut.opening import allow
from webhook.policy.undercut.witness import replayed
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
    probes = Random(random.getrandbits(64))
    for kept, dns in ((accepted, False), (harmless, True)):
        world = stage.later.with_policies(*kept)
        evaluator = Evaluator(world)
        for flow in flows(world, probes, FLOWS):
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


@settings(max_examples=40, deadline=None)
@given(RANDOMS)
def test_what_is_refused_has_a_witness(random: Random) -> None:
    """
    Every complaint is about one flow that the evaluator lets through with the policy and drops without.

    The complaint itself is made only after that replay; here the flow is put to the evaluator once more, together
    with a second reading of the ceiling.
    """
    dice = Dice(random, crooked=0)
    stage = ground(dice, settings_of(dice))
    for _ in range(POLICIES):
        judgement = Judgement.of(parse_policy(tenants_policy(random)), stage.judged)
        for leak in islice(leaks(judgement), 3):
            for hit in leak.hits:
                found = replayed(judgement, leak.direction, hit, leak.shape.rule.path, opens=True)
                assert found.after.allowed
                assert not found.before.allowed
                assert found.after.direction is leak.direction


@settings(max_examples=40, deadline=None)
@given(RANDOMS)
def test_adding_a_deny_never_opens(random: Random) -> None:
    """A Deny more, anywhere in a policy: no flow passes that did not pass before."""
    dice = Dice(random, crooked=0)
    stage = ground(dice, settings_of(dice))
    policy = parse_policy(tenants_policy(random))
    extra = parse_policy(tenants_policy(random, "calico"))
    for direction in Direction:
        denials = [replace(rule, action=Action.DENY) for rule in extra.rules(direction)]
        rules = list(policy.rules(direction))
        for denial in denials:
            rules.insert(random.randrange(len(rules) + 1), denial)
        stricter = with_rules(policy, direction, tuple(rules))
        worlds = [stage.later.with_policies(one) for one in (policy, stricter)]
        before, after = map(Evaluator, worlds)
        for flow in flows(worlds[0], Random(random.getrandbits(64)), 60):
            assert before.verdict(flow).allowed or not after.verdict(flow).allowed


@settings(max_examples=40, deadline=None)
@given(RANDOMS)
def test_a_policy_with_a_deny_more_is_refused_no_more(random: Random) -> None:
    """A Deny in front takes away only: what was accepted for what it opens stays so."""
    dice = Dice(random, crooked=0)
    stage = ground(dice, settings_of(dice))
    policy = parse_policy(tenants_policy(random))
    if opens(policy, stage.judged):
        return
    extra = parse_policy(tenants_policy(random, "calico"))
    for direction in Direction:
        denials = tuple(replace(rule, action=Action.DENY) for rule in extra.rules(direction))
        policy = with_rules(policy, direction, (*denials, *policy.rules(direction)))
    assert not opens(policy, stage.judged)


@settings(max_examples=40, deadline=None)
@given(RANDOMS, st.sampled_from((CalicoApi.V1, CalicoApi.NATIVE, CalicoApi.KUBERNETES)), st.sampled_from(DenyForm))
def test_the_baseline_passes_its_own_guard(random: Random, api: CalicoApi, form: DenyForm) -> None:
    """The controller writes it through the webhook like anybody else."""
    dice = Dice(random, crooked=0)
    chosen = replace(settings_of(dice), deny_form=form)
    world = replace(ground(dice, chosen).judged, api=api)
    managed = [found for found in world.namespaces.values() if world.is_managed(found.name)]
    wanted = [object_ for found in managed for object_ in desired(found, chosen)]
    if api is not CalicoApi.KUBERNETES:
        wanted.append(isolation_floor(chosen))
    for object_ in wanted:
        policy = parse_policy(manifest(object_, api, chosen))
        assert not opens(policy, world)
        assert not blocks(policy, world)
        assert not list(dead_complaints(policy, world))


def check_allow(random: Random, tally: dict[str, int]) -> None:
    """What `allow` prints is accepted, opens the flow that was asked for, and no other that these pods do not share."""
    dice = Dice(random, crooked=0)
    stage = ground(dice, settings_of(dice))
    world = stage.later
    before = Evaluator(world)
    probes = Random(random.getrandbits(64))
    for flow in flows(world, probes, 6):
        opening = allow(flow, world)
        tally["asked"] += 1
        if opening.refusals or not opening.policies:
            assert opening.before.allowed or opening.refusals
            continue
        tally["opened"] += 1
        policies = [parse_policy(manifest) for manifest in opening.policies]
        assert opening.after.allowed
        assert not any(opens(policy, world) or blocks(policy, world) for policy in policies)
        after = Evaluator(world.with_policies(*policies))
        for other in flows(world, probes, 60):
            if after.verdict(other).allowed and not before.verdict(other).allowed:
                assert (other.protocol, other.port) == (flow.protocol, flow.port)
                for end, asked in ((other.source, flow.source), (other.destination, flow.destination)):
                    assert _is_alike(end, asked, world)


def _is_alike(end: PodRef | Cidr, asked: PodRef | Cidr, world: World) -> bool:
    """The same address, or a pod that no selector over its own labels tells from the one asked for."""
    if isinstance(end, Cidr) or isinstance(asked, Cidr):
        return end == asked
    pods = [world.pods[one.namespace, one.name] for one in (end, asked)]
    return end.namespace == asked.namespace and set(pods[1].meta.labels.items()) <= set(pods[0].meta.labels.items())


@settings(max_examples=25, deadline=None)
@given(RANDOMS)
def test_what_allow_prints_opens_what_was_asked(random: Random) -> None:
    check_allow(random, dict.fromkeys(("asked", "opened"), 0))


def test_the_laws_are_not_empty() -> None:
    """Among some worlds there are policies of either kind, flows that could leak, DNS, and flows that allow opens."""
    tally = dict.fromkeys(("judged", "accepted", "flows", "forbidden", "dns", "asked", "opened"), 0)
    for seed in range(12):
        check_composition(Random(seed), tally)
        check_allow(Random(seed), tally)
    assert 0 < tally["accepted"] < tally["judged"]
    assert 0 < tally["forbidden"] < tally["flows"]
    assert tally["dns"] > 0
    assert 0 < tally["opened"] < tally["asked"]
