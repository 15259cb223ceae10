"""An examiner's policies: refused exactly when they undercut, as somebody finds who tries every flow by hand."""

from __future__ import annotations

import re

import pytest

from tests.policy.examiner_cases import Case, Update, cases, settings_named, updates
from tests.policy.examiner_fixes import fixed
from tests.policy.examiner_truth import Place, Service, services_for, spaces
from tests.policy.reviews import review
from tests.shapes import calico
from tests.worlds import build
from webhook.admission import judge_policy
from webhook.policy.world import World
from webhook.wire import Answer

CASES = [
    case
    for name in ("selectors", "addresses", "ports", "walk", "dns", "global", "kubernetes", "others")
    for case in cases(name)
]
REFUSED = [case for case in CASES if case.refused]
UPDATES = updates()
# The rules that speak of what flows; the others refuse what misleads, or what only the platform may do.
OF_FLOWS = {"allows-stay-under-ceiling", "passes-do-not-bypass-baseline", "dns-not-blocked"}


def world_of(case: Case) -> World:
    there = [space for space in spaces() if space["metadata"]["name"] not in case.unjudged]
    return build([*there, *case.stored], settings_named(case.settings))


def refused_by(answer: Answer) -> set[str]:
    return set() if answer.allowed else {cause.reason for cause in answer.causes}


def warned_by(answer: Answer) -> set[str]:
    return {rule for line in answer.warnings for rule in re.findall(r"^\[([a-z-]+)\]", line)}


@pytest.mark.parametrize("case", CASES, ids=[case.title for case in CASES])
def test_a_policy_is_answered_as_it_deserves(case: Case) -> None:
    answer = judge_policy(review(None, case.judged), world_of(case))
    assert refused_by(answer) == case.refused, answer.message
    if answer.allowed:
        assert warned_by(answer) >= case.warned


@pytest.mark.parametrize("case", CASES, ids=[case.title for case in CASES])
def test_what_is_expected_is_true(case: Case) -> None:
    """Every policy that undercuts is refused, and what is refused for its flows has a flow to show for it."""
    settings = settings_named(case.settings)
    added = [case.judged, *case.stored]
    found = next(Place.of(settings, added).undercuts(services_for(settings, added)), None)
    if found is not None:
        assert case.refused, found
        assert not case.unseen, found
    elif case.refused & OF_FLOWS:
        assert case.unseen


# Those in which the baseline is another one; what else settings say, it does not look at.
@pytest.mark.parametrize("name", ["example", "own-namespace", "none", "ruleless", "node-local", "openshift", "six"])
def test_the_baseline_alone_undercuts_nothing(name: str) -> None:
    settings = settings_named(name)
    services = [
        Service(6, 80),
        Service(1, 0),
        *(Service(protocol, port) for protocol in (6, 17) for port in (53, 5353)),
    ]
    assert not list(Place.of(settings, []).undercuts(services))


@pytest.mark.parametrize("update", UPDATES, ids=[update.title for update in UPDATES])
def test_an_update_may_narrow_and_never_widen(update: Update) -> None:
    """What stood before is said and let pass; what more there is in the new form is refused."""
    late = calico("Tier", "late", order=2_000_000)
    world = build([*spaces(), late, update.old], settings_named("example"))
    answer = judge_policy(review(update.old, update.new), world)
    assert refused_by(answer) == update.refused, answer.message
    assert update.is_silent or not answer.allowed or any("stood before" in line for line in answer.warnings)


@pytest.mark.parametrize("update", UPDATES, ids=[update.title for update in UPDATES])
def test_what_is_expected_of_an_update_is_true(update: Update) -> None:
    settings = settings_named("example")
    late = calico("Tier", "late", order=2_000_000)
    both = [update.old, update.new]
    services = services_for(settings, both)
    old, new = (set(Place.of(settings, [late, one], like=both).undercuts(services)) for one in both)
    assert update.unseen or bool(new - old) == bool(update.refused), sorted(new - old, key=str)[:1]


@pytest.mark.parametrize("case", REFUSED, ids=[case.title for case in REFUSED])
def test_the_fixes_that_are_offered_repair(case: Case) -> None:
    """Each that a machine can read is applied, one round after the other: an order may bring a rule to life."""
    manifest, world = case.judged, world_of(case)
    for _ in range(3):
        answer = judge_policy(review(None, manifest), world)
        fixes = [(cause.field, cause.message.partition("; fix: ")[2]) for cause in answer.causes]
        changed = fixed(manifest, fixes)
        if answer.allowed or changed is None:
            return
        manifest = changed
    raise AssertionError(answer.message)
