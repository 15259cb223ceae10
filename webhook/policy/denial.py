"""Denial: findings as the text that somebody in a hurry reads in a terminal; nothing is decided here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from webhook.policy.finding import Finding
from webhook.policy.settings import Settings

# Deployments' conditions and Argo cut what follows; the first line has to say it all.
MAX_FIRST_LINE = 200
MAX_WARNING = 200
# Beyond these a terminal is full and nobody reads on; the audit lists them all.
MAX_FINDINGS = 10
MAX_LINKS = 3


def denial(findings: Sequence[Finding], settings: Settings) -> str:
    """
    Say why a request is refused: for each finding what, why, the fix, an example and its reasons; then whom to ask.

    The first line stands for itself and says how many more there are.
    """
    others = len(findings) - 1
    lines: list[str] = []
    for number, finding in enumerate(findings[:MAX_FINDINGS]):
        more = f" (and {others} more)" if others and not number else ""
        lines += _finding(finding, more)
    if len(findings) > MAX_FINDINGS:
        lines.append(f"and {len(findings) - MAX_FINDINGS} more findings")
    lines.append(f"  ask: {settings.contact}  |  docs: {_links(findings, settings)}")
    return "\n".join(lines)


def headline(finding: Finding) -> str:
    """Say one finding in one line, without its fix."""
    return one_line(f"[{finding.rule}] {finding.ref} {finding.detail}")


def warning(finding: Finding, remark: str = "") -> str:
    """Say one finding as a kubectl warning: a line that the API server neither drops nor cuts."""
    said = f" ({remark})" if remark else ""
    return cut(headline(finding), MAX_WARNING - len(said)) + said


def one_line(text: str) -> str:
    """A line break in what somebody wrote could pass for a line of ours."""
    return " ".join(text.split())


def cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _finding(finding: Finding, more: str) -> list[str]:
    head = headline(finding)
    fix = one_line(finding.fix) if "\n" not in finding.fix.strip() else ""
    fits = bool(fix) and len(head) + len(fix) + len(more) + 2 <= MAX_FIRST_LINE
    lines = [f"{head}; {fix}{more}" if fits else f"{head}{more}"]
    if finding.example:
        lines.append(f"  example: {one_line(finding.example)}")
    lines += [f"  because: {one_line(reason)}" for reason in finding.because]
    if finding.fix and not fits:
        lines += _block("fix", finding.fix)
    return lines


def _block(word: str, text: str) -> list[str]:
    """A fix may be a piece of YAML: its lines stay, indented."""
    first, *others = text.strip().splitlines()
    return [f"  {word}: {first}", *(f"    {line}" for line in others)]


def _links(findings: Iterable[Finding], settings: Settings) -> str:
    rules = list(dict.fromkeys(finding.rule for finding in findings))
    if settings.docs_url:
        return " ".join(f"{settings.docs_url}/rules#{rule}" for rule in rules[:MAX_LINKS])
    return f"isolation-baseline explain {rules[0] if len(rules) == 1 else 'RULE'}"
