"""Finding: one rule's complaint about one object, the same value in a denial, an audit and on the command line."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from webhook.policy.objects import Ref


class Severity(Enum):
    """Deny refuses in mode enforce; warn is said and never refuses."""

    DENY = "deny"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class Complaint:
    """
    What a rule yields: `detail` is one lower-case line (what and why), `path` the field, `fix` the exact change.

    `fingerprint` is what must stay equal for an old complaint to excuse a new one (the ratchet): by default the
    detail, so a detail must name the offending value, or a second hole hides behind the first.
    """

    detail: str
    path: str = ""
    fix: str = ""
    example: str = ""
    because: tuple[str, ...] = ()
    fingerprint: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A complaint with its rule and its object; findings compare by rule, object, path and detail."""

    rule: str
    ref: Ref
    path: str
    detail: str
    fix: str = field(default="", compare=False)
    example: str = field(default="", compare=False)
    because: tuple[str, ...] = field(default=(), compare=False)
    severity: Severity = field(default=Severity.DENY, compare=False)
    fingerprint: str = field(default="", compare=False)

    @property
    def key(self) -> tuple[str, Ref, str]:
        """What the ratchet compares: a finding after is excused by one before with the same key."""
        return (self.rule, self.ref, self.fingerprint or f"{self.path} {self.detail}")
