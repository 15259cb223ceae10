"""Answers: what findings become for the API server, by mode and by who asks; the findings are made elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from webhook.policy.denial import cut, denial, headline, warning
from webhook.policy.environment import is_one_of
from webhook.policy.finding import Finding, Severity
from webhook.policy.objects import InvalidObject, User
from webhook.policy.settings import Mode, Settings
from webhook.wire import Answer, Cause

# The API server keeps each value in its audit log, once a request.
MAX_ANNOTATION = 2048
MAX_LISTED = 50
# More are not read; what is left out is in the annotation.
MAX_WARNINGS = 5


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found: `added` by this request, and `kept`, which stood before and is only said."""

    added: tuple[Finding, ...] = ()
    kept: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = ()


def answer(judgement: Judgement, user: User, settings: Settings, mode_of: Callable[[Finding], Mode]) -> Answer:
    """Answer a request: refuse what it adds in mode enforce, say the rest, record all."""
    modes = {finding: mode_of(finding) for finding in (*judgement.added, *judgement.kept)}
    refused = tuple(
        finding for finding in judgement.added if finding.severity is Severity.DENY and modes[finding] is Mode.ENFORCE
    )
    notes = _annotations(judgement, modes)
    rules = tuple(dict.fromkeys(finding.rule for finding in judgement.added))
    if not refused:
        return Answer(True, warnings=_warnings(judgement, modes), audit_annotations=notes, rules=rules)
    if is_one_of(user, settings.break_glass):
        names = ", ".join(dict.fromkeys(finding.rule for finding in refused))
        said = tuple(warning(finding, "let pass by break-glass, and recorded") for finding in refused[:MAX_WARNINGS])
        return Answer(
            True,
            warnings=(*said, *_warnings(Judgement(warnings=judgement.warnings), modes)),
            audit_annotations=(*notes, ("break-glass", cut(names, MAX_ANNOTATION))),
            rules=rules,
        )
    return Answer(
        False,
        code=403,
        reason="Forbidden",
        message=denial(refused, settings),
        causes=tuple(_cause(finding) for finding in refused),
        audit_annotations=notes,
        rules=tuple(dict.fromkeys(finding.rule for finding in refused)),
    )


def unreadable(what: str, error: InvalidObject) -> Answer:
    """Refuse an object that cannot be read: nobody can say what it would do."""
    message = f"{what} cannot be read: {error.path}: {error.message}"
    return Answer(
        False,
        code=422,
        reason="Invalid",
        message=message,
        causes=(Cause(error.path, "unreadable", error.message),),
        rules=("unreadable",),
    )


def failed(why: str) -> Answer:
    """Refuse because we cannot judge; the caller may retry."""
    return Answer(
        False, code=500, reason="InternalError", message=f"cannot judge this request: {why}", rules=("failed",)
    )


def _cause(finding: Finding) -> Cause:
    parts = [headline(finding), *(f"fix: {finding.fix}" for _ in [0] if finding.fix)]
    return Cause(finding.path, finding.rule, "; ".join(parts))


def _warnings(judgement: Judgement, modes: dict[Finding, Mode]) -> tuple[str, ...]:
    lines = list(judgement.warnings)
    for finding in judgement.added:
        if modes[finding] is not Mode.AUDIT:
            remark = "" if finding.severity is Severity.WARN else "not refused yet: this environment only warns"
            lines.append(warning(finding, remark))
    for finding in judgement.kept:
        if finding.severity is Severity.DENY and modes[finding] is not Mode.AUDIT:
            lines.append(warning(finding, "stood before"))
    if len(lines) > MAX_WARNINGS:
        lines = [
            *lines[: MAX_WARNINGS - 1],
            f"and {len(lines) - MAX_WARNINGS + 1} more findings: isolation-baseline audit",
        ]
    return tuple(lines)


def _annotations(judgement: Judgement, modes: dict[Finding, Mode]) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    for key, findings in (("added", judgement.added), ("kept", judgement.kept)):
        if findings:
            found.append((key, cut(_listed(findings[:MAX_LISTED]), MAX_ANNOTATION)))
    if modes:
        found.append(("modes", ",".join(sorted({mode.value for mode in modes.values()}))))
    return tuple(found)


def _listed(findings: Iterable[Finding]) -> str:
    return "; ".join(headline(finding) for finding in findings)
