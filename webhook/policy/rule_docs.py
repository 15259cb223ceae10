"""Rule docs: the documentation of the rules as Markdown, from their docstrings alone; it is not put anywhere."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from webhook.policy.finding import Severity
from webhook.policy.rule import GuardRule

_HEAD = """# Rules

Generated from the rules' docstrings by `python -m pytest tests/policy --update-docs`; do not edit.
The examples are executed by the tests.
"""
_SEVERITIES = {Severity.DENY: "refused", Severity.WARN: "said as a warning"}


def page(rules: Iterable[GuardRule]) -> str:
    """Write all rules down, after a table of them."""
    listed = tuple(rules)
    rows = [
        f"| [{rule.id}](#{rule.id}) | {rule.documentation.title} | {_SEVERITIES[rule.severity]} |" for rule in listed
    ]
    table = "\n".join(["| rule | what must hold | otherwise |", "|---|---|---|", *rows])
    return "\n".join([_HEAD, table, "", *("\n" + section(rule) for rule in listed)])


def section(rule: GuardRule) -> str:
    """Write one rule down: what `explain` prints, and what the link of a denial leads to."""
    words = rule.documentation
    return "\n".join(
        [
            f"## {rule.id}",
            "",
            _filled(words.title),
            "",
            _filled(f"**Why.** {words.why}"),
            "",
            _filled(f"**Fix.** {words.fix}"),
            "",
            "Refused:" if rule.severity is Severity.DENY else "Warned about:",
            "",
            *_code(words.bad),
            "",
            "Accepted:",
            "",
            *_code(words.good),
            "",
        ]
    )


def _filled(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def _code(text: str) -> list[str]:
    return ["```yaml", *text.splitlines(), "```"]
