"""Every rule carries the words and examples that its documentation is made of, and its examples are executed."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.policy.table import SETTINGS, change, world
from webhook.policy.evaluate import subjects
from webhook.policy.finding import Finding
from webhook.policy.rule import GuardRule, rule
from webhook.policy.rules import RULES
from webhook.policy.world import World


def judged(judge: GuardRule, example: str) -> list[Finding]:
    """What a rule says of an example: about its change, or about every object in it."""
    documents: list[dict[str, Any]] = yaml.safe_load(example)
    changes = [document["change"] for document in documents if "change" in document]
    whole = world(*(document for document in documents if "change" not in document), settings=SETTINGS)
    described = [
        change(
            row.get("old"),
            row.get("new"),
            user=row["user"],
            groups=row.get("groups", ()),
            subresource=row.get("subresource", ""),
        )
        for row in changes
    ]
    everything = described or [subject for subject in subjects(whole) if not isinstance(subject, World)]
    return [f for subject in everything if type(subject) in judge.subjects for f in judge.findings(subject, whole)]


@pytest.mark.parametrize("judge", RULES, ids=lambda judge: judge.id)
def test_bad_example_is_found(judge: GuardRule) -> None:
    assert judged(judge, judge.documentation.bad)


@pytest.mark.parametrize("judge", RULES, ids=lambda judge: judge.id)
def test_good_example_is_not(judge: GuardRule) -> None:
    assert judged(judge, judge.documentation.good) == []


def test_a_rule_without_words_is_no_rule() -> None:
    with pytest.raises(ValueError, match="its docstring lacks Fix, Bad, Good"):

        @rule(World)
        def speechless(world: World, same: World) -> Any:
            """
            Title.

            Why:
                Because.
            """
            yield ""
