"""Clauses that stand alone: what follows from their trees is what Calico reads in the text that it joins."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dice import Dice, calico
from webhook.policy import joined
from webhook.policy.objects import EntityText
from webhook.policy.parse import parse_policy
from webhook.policy.parse_entity import parse_joined, read_peer
from webhook.policy.parse_meta import Notes
from webhook.policy.selectors import parse as parse_selector


@settings(max_examples=200, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from(["one", ""]))
def test_well_formed_peers_mean_the_same_joined_as_text(random: Any, namespace: str) -> None:
    """What follows from the trees is what Calico reads in the text that it joins."""
    dice = Dice(random, crooked=0)
    clauses = [dice.selector() if dice.chance(0.6) else None for _ in range(4)]
    names = tuple(dice.some(("default", "robot"), 2))
    written = EntityText(clauses[0], clauses[1], clauses[2], clauses[3], names)
    positive, negative = read_peer(written, namespace, "x", Notes())
    text = joined.peer(namespace, clauses[2] or "", clauses[0] or "", clauses[1] or "", clauses[3] or "", names)
    if text and clauses[1]:
        text = joined.without(text, clauses[1])
    notes = Notes()
    again = parse_joined(text, notes)
    assert not notes.ignored
    for labels in _labels(dice):
        assert again is None or positive is not None
        assert again is None or again.matches(labels) == (positive is not None and positive.matches(labels))
        if negative is not None:
            assert negative.matches(labels) == parse_selector(clauses[1] or "").matches(labels)


def _labels(dice: Dice) -> list[dict[str, str]]:
    found = []
    for _ in range(8):
        labels = dice.labels() | {f"pcns.{key}": value for key, value in dice.labels().items()}
        labels |= {f"pcsa.{key}": value for key, value in dice.labels().items()}
        labels |= dice.maybe(0.7, lambda: {"projectcalico.org/namespace": dice.one(("one", "two"))})
        labels |= dice.maybe(0.5, lambda: {"projectcalico.org/serviceaccount": dice.one(("default", "robot"))})
        found.append(labels)
    return found


@settings(max_examples=200, deadline=None)
@given(st.randoms(use_true_random=False))
def test_well_formed_subjects_mean_the_same_joined_as_text(random: Any) -> None:
    dice = Dice(random, crooked=0)
    texts: dict[str, Any] = {
        key: dice.selector() for key in ("selector", "namespaceSelector", "serviceAccountSelector") if dice.chance(0.6)
    }
    written = [texts.get(key, "") for key in ("selector", "namespaceSelector", "serviceAccountSelector")]
    for policy, text in (
        (parse_policy(calico("GlobalNetworkPolicy", "p", **texts)), joined.global_subject(*written)),
        (
            parse_policy(calico("NetworkPolicy", "p", "one", **texts)),
            joined.namespaced_subject("one", written[0], written[2]),
        ),
    ):
        again = parse_selector(text)
        for labels in _labels(dice):
            assert policy.subject.matches(labels) == again.matches(labels)
