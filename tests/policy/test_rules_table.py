"""A rule's function, file, test file and place in the documentation carry one name, and the table has them all."""

from __future__ import annotations

from pathlib import Path

import pytest

from webhook.policy import rules
from webhook.policy.change import Change
from webhook.policy.objects import HostEndpoint, Namespace, NetworkSet, Pod, Policy, Tier
from webhook.policy.rule import GuardRule
from webhook.policy.rule_docs import page
from webhook.policy.rules import RULES
from webhook.policy.world import World

ROOT = Path(__file__).parents[2]
SUBJECTS = {Change, Namespace, Policy, Tier, NetworkSet, HostEndpoint, Pod, World}


def test_every_file_is_in_the_table() -> None:
    files = {path.stem for path in Path(rules.__file__).parent.glob("*.py")} - {"__init__"}
    assert {rule.id.replace("-", "_") for rule in RULES} == files


def test_every_rule_has_a_table_of_cases() -> None:
    tested = {path.stem.removeprefix("test_") for path in (Path(__file__).parent / "rules").glob("test_*.py")}
    assert {rule.id.replace("-", "_") for rule in RULES} == tested


def test_no_rule_is_there_twice() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_looks_at_something(rule: GuardRule) -> None:
    assert rule.subjects
    assert set(rule.subjects) <= SUBJECTS


def test_the_documentation_is_that_of_the_rules(update_docs: bool) -> None:
    """`--update-docs` writes it anew."""
    file = ROOT / "docs" / "rules.md"
    if update_docs:
        file.write_text(page(RULES))
    assert file.read_text() == page(RULES)
