"""Bounds: what is too much to judge is refused with a word that says so, and costs no more than a policy may."""

from __future__ import annotations

from typing import Any

import pytest

from tests.policy.table import Manifest, ns, policy, world
from webhook.policy.objects import Direction
from webhook.policy.parse import parse_policy
from webhook.policy.undercut.boxes import Cover, Region
from webhook.policy.undercut.judge import MAX_FOUND, MAX_SHOWN, leak_complaints
from webhook.policy.undercut.judgement import Judgement
from webhook.policy.undercut.leak import Hit, leaks
from webhook.policy.undercut.search import MAX_STEPS, Budget, Found, TooComplexError, find
from webhook.policy.undercut.witness import ReplayFailedError, replayed

WORLD = world(ns("shop", "dev"), ns("stage", "test"), ns("till", "prod"))
OTHERS = {"action": "Allow", "protocol": "TCP", "source": {"namespaceSelector": "env != 'dev'"}}


def pieces(count: int) -> Manifest:
    """Denials of every other port, each cut in fifty pieces, and then an Allow of the rest."""
    starts = range(1, 60 * count, 60)
    denials: list[dict[str, Any]] = [
        {
            "action": "Deny",
            "protocol": "TCP",
            "destination": {"ports": [f"{port}:{port + 1}" for port in range(low, low + 2_500, 50)]},
        }
        for low in starts
    ]
    return policy(ingress=[*denials, OTHERS])


def complaints(manifest: Manifest) -> list[tuple[str, str]]:
    return [(found.path, found.detail) for found in leak_complaints(parse_policy(manifest), WORLD)]


def test_what_is_too_much_is_refused_and_says_so() -> None:
    assert complaints(pieces(1_000)) == [
        (
            "spec",
            "is too complex to judge: within the steps that one policy may take, nobody can say whether it opens more "
            "than settings permit",
        )
    ]


def test_a_tenth_of_it_is_judged() -> None:
    ((path, detail),) = complaints(pieces(20))
    assert path == "spec.ingress[20]"
    assert detail.startswith("opens shop to env=prod, env=unassigned, namespaces without env")


def test_the_steps_are_spent_and_no_more() -> None:
    judgement = Judgement.of(parse_policy(pieces(1_000)), WORLD)
    with pytest.raises(TooComplexError):
        list(leaks(judgement))
    assert -MAX_STEPS // 10 < judgement.budget.left < 0


def test_hundreds_of_leaks_are_counted_not_shown() -> None:
    """The last one speaks for those that were not looked at, and is excused only while nothing changes."""
    many = [{"action": "Allow", "source": {"namespaceSelector": f"env == 'prod' && a == '{n}'"}} for n in range(200)]
    found = list(leak_complaints(parse_policy(policy(ingress=many)), WORLD))
    assert len(found) == MAX_FOUND + 1
    assert [bool(one.example and one.fix) for one in found[: MAX_SHOWN + 1]] == [True] * MAX_SHOWN + [False]
    assert (
        found[-1].detail
        == f"has the same wrong in spec.ingress[{MAX_FOUND}], and the rules after it were not looked at"
    )
    more = [*many, {"action": "Allow"}]
    assert list(leak_complaints(parse_policy(policy(ingress=more)), WORLD))[-1].fingerprint != found[-1].fingerprint


def test_a_search_within_its_budget_is_exact() -> None:
    """Halves of the protocols leave nothing; all but one leave that one."""
    halves = [Cover(protocols=(1 << 128) - 1), Cover(protocols=((1 << 128) - 1) << 128)]
    assert find(Region(), halves, Budget()) is None
    most = [Cover(protocols=1 << number) for number in range(255)]
    left = find(Region(), most, Budget())
    assert left is not None
    assert left.region.protocols == 1 << 255


def test_a_claim_that_cannot_be_replayed_is_our_error() -> None:
    """The reasoning is not believed on its word: here it claims a leak where the policy denies."""
    judgement = Judgement.of(parse_policy(policy(ingress=[{"action": "Deny"}])), WORLD)
    (subject,) = judgement.subjects
    peer = next(found for found in judgement.universe.unnamed if found.environment == "prod")
    claim = Hit(subject, peer, Found(Region(), {}, {}))
    with pytest.raises(ReplayFailedError, match=r"spec\.ingress\[0\]: no flow could be replayed"):
        replayed(judgement, Direction.INGRESS, claim, "spec.ingress[0]", opens=True)
