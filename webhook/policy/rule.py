"""Rule: a function that complains about a subject, and its docstring as its documentation; no rule is here."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from webhook.policy.change import Change
from webhook.policy.finding import Complaint, Finding, Severity
from webhook.policy.objects import Meta, Ref
from webhook.policy.world import World

# The cluster as a whole, for what belongs to no object of it.
CLUSTER = Ref("", "Cluster", "", "this")

Check = Callable[[Any, World], Iterator[Complaint | str]]
_F = TypeVar("_F", bound=Callable[..., Iterator[Complaint | str]])
# An object of 3 MB can give half a million; nobody reads on, and a worker must not be held up by writing them down.
MAX_COMPLAINTS = 20
_SECTIONS = ("Why", "Fix", "Bad", "Good")
_PLACE = re.compile(r"spec\.[A-Za-z]+(?:\[\d+\])?(?:\.[A-Za-z]+(?:\[\d+\])?)*|metadata\.[A-Za-z]+")


@dataclass(frozen=True, slots=True)
class Documentation:
    """A rule's docstring, taken apart; `bad` and `good` are YAML lists of manifests, or of changes."""

    title: str
    why: str
    fix: str
    bad: str
    good: str


@dataclass(frozen=True, slots=True)
class GuardRule:
    """
    One rule of the guard, named as the sentence that must hold.

    `staged` says that it judges staged policies like others (Felix reads them too); the rest judge them only as what
    they would be when promoted. `repaired` says that the controller sees to it: nothing new is refused for it.
    `everywhere` says that what it finds does harm beyond its own namespace.
    """

    id: str
    subjects: tuple[type, ...]
    severity: Severity
    check: Check
    documentation: Documentation
    staged: bool = False
    repaired: bool = False
    everywhere: bool = False

    def findings(self, subject: object, world: World) -> Iterator[Finding]:
        """List what the rule finds; past MAX_COMPLAINTS one more finding stands for all the others."""
        ref = ref_of(subject)
        for number, complaint in enumerate(self.check(subject, world)):
            if number == MAX_COMPLAINTS:
                # Whatever it is, it hides behind nothing: no other content of the object has this fingerprint.
                more = f"has more than {MAX_COMPLAINTS} of these"
                yield self.finding(Complaint(more, fingerprint=f"more {hash(_content(subject))}"), ref)
                return
            yield self.finding(complaint, ref)

    def finding(self, complaint: Complaint | str, ref: Ref) -> Finding:
        if isinstance(complaint, str):
            complaint = Complaint(complaint)
        return Finding(
            rule=self.id,
            ref=ref,
            path=complaint.path or _place_in(complaint.detail),
            detail=complaint.detail,
            fix=complaint.fix,
            example=complaint.example,
            because=complaint.because,
            severity=self.severity,
            fingerprint=complaint.fingerprint,
        )


def rule(
    *subjects: Any,
    severity: Severity = Severity.DENY,
    staged: bool = False,
    repaired: bool = False,
    everywhere: bool = False,
) -> Callable[[_F], GuardRule]:
    """
    Make a rule of a function `(subject, world)` that yields complaints; its id is the function's name.

    Subjects are classes or unions of them; the severity may stand last, without its name.
    """
    given = [subject for subject in subjects if not isinstance(subject, Severity)]
    said = next((subject for subject in subjects if isinstance(subject, Severity)), severity)
    classes = tuple(cls for subject in given for cls in (getattr(subject, "__args__", None) or (subject,)))

    def decorate(function: _F) -> GuardRule:
        return GuardRule(
            id=function.__name__.replace("_", "-"),
            subjects=classes,
            severity=said,
            check=function,
            documentation=documentation(function),
            staged=staged,
            repaired=repaired,
            everywhere=everywhere,
        )

    return decorate


def _content(subject: Any) -> object:
    """What a subject says, without the metadata that every write changes."""
    return replace(subject, meta=Meta("")) if hasattr(subject, "meta") else subject


def ref_of(subject: Any) -> Ref:
    return CLUSTER if isinstance(subject, World) else subject.ref


def documentation(function: Callable[..., object]) -> Documentation:
    """
    Take a rule's docstring apart: its first paragraph is the title, then `Why:`, `Fix:`, `Bad:` and `Good:`.

    Raises:
        ValueError: when one of them is missing; a rule without words is no rule.
    """
    text = inspect.getdoc(function) or ""
    parts = re.split(rf"^({'|'.join(_SECTIONS)}):[ ]*$", text, flags=re.MULTILINE)
    found = {name: inspect.cleandoc(body) for name, body in zip(parts[1::2], parts[2::2], strict=True)}
    title = " ".join(parts[0].split())
    absent = [name for name in _SECTIONS if not found.get(name)]
    if absent or not title:
        raise ValueError(f"{function.__name__}: its docstring lacks {', '.join(absent) or 'a title'}")
    return Documentation(
        title, " ".join(found["Why"].split()), " ".join(found["Fix"].split()), found["Bad"], found["Good"]
    )


def _place_in(detail: str) -> str:
    place = _PLACE.search(detail)
    return place.group() if place else ""


__all__ = ["CLUSTER", "Change", "Check", "Documentation", "GuardRule", "documentation", "ref_of", "rule"]
