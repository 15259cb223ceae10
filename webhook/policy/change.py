"""Change: one write as the API server describes it, as a value that rules judge; not what it changes things to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from webhook.policy.objects import Ref, Subject, User


class Operation(Enum):
    """The verbs of admission; a PATCH is an UPDATE, a collection is deleted one by one."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


@dataclass(frozen=True, slots=True)
class Change:
    """
    Who changes what; `old` is None on CREATE and `new` on DELETE, `subresource` is empty for the object itself.

    A write that brings a deletion (a v1 object whose annotation carries deletionTimestamp) is a DELETE with `new` None.
    """

    user: User
    operation: Operation
    old: Subject | None
    new: Subject | None
    subresource: str = ""

    @property
    def subject(self) -> Subject:
        """What is changed, as it will be, or was before a deletion."""
        found = self.new if self.new is not None else self.old
        assert found is not None, "a change is of something"
        return found

    @property
    def ref(self) -> Ref:
        return self.subject.ref
