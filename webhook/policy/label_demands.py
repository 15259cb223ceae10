"""Demands on labels: what selectors ask of one label, gathered, with a value that is all of it; no alternatives."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from webhook.policy.label_values import Budget, TooMuchWorkError, Wanted, find_value, is_label_key, is_label_value
from webhook.policy.selectors import Contains, EndsWith, Equal, Has, In, NotEqual, NotIn, StartsWith

VALUE_BUDGET = 4_000  # steps for one value of one label: the rest of a selector may have no answer, whatever it is

KeyedLeaf = Has | Equal | NotEqual | In | NotIn | Contains | StartsWith | EndsWith
_WANTED: dict[type, tuple[str, str]] = {
    Contains: ("contains", "lacks"),
    StartsWith: ("starts", "not_starts"),
    EndsWith: ("ends", "not_ends"),
}
_NOTHING_WANTED = Wanted()


@dataclass(frozen=True, slots=True)
class Domain:
    """What one label may be: one of the values, or any when they are None; or, unless ruled out, absent."""

    values: frozenset[str] | None = None
    may_be_absent: bool = True


ANYTHING = Domain()
PRESENT = Domain(may_be_absent=False)
ABSENT = Domain(frozenset())


def one_of(values: Iterable[str], *, or_absent: bool = False) -> Domain:
    return Domain(frozenset(values), or_absent)


@dataclass(frozen=True, slots=True)
class Label:
    """All that is demanded of one label, and a value (None: absent) that is all of it, if one was found in time."""

    value: str | None
    may_be_absent: bool
    values: frozenset[str] | None
    taken: frozenset[str] = frozenset()
    wanted: Wanted = _NOTHING_WANTED
    is_valued: bool = True

    def accepts(self, value: str | None) -> bool:
        if value is None:
            return self.may_be_absent
        return (self.values is None or value in self.values) and value not in self.taken and self.wanted.accepts(value)


class Demands:
    """Turns demands into labels; None where they cannot be met."""

    def __init__(self, domains: Mapping[str, Domain], budget: Budget, *, kubernetes_values: bool) -> None:
        self.domains = domains
        self.budget = budget
        self.kubernetes_values = kubernetes_values

    def new(self, key: str) -> Label | None:
        if key in self.domains:
            domain = self.domains[key]
        else:
            domain = ABSENT if self.kubernetes_values and not is_label_key(key) else ANYTHING
        return self._valued(Label(None, domain.may_be_absent, domain.values))

    def narrowed(self, label: Label | None, leaf: KeyedLeaf, *, is_true: bool) -> Label | None:
        label = label or self.new(leaf.key)
        if label is None:
            return None
        match leaf:
            case Has():
                label = self._present(label) if is_true else replace(label, values=frozenset())
            case Equal(_, value) | NotEqual(_, value):
                label = self._within(label, frozenset({value}), is_in=is_true is isinstance(leaf, Equal))
            case In(_, values) | NotIn(_, values):
                label = self._within(label, values, is_in=is_true is isinstance(leaf, In))
            case Contains(_, value) | StartsWith(_, value) | EndsWith(_, value):
                name = _WANTED[type(leaf)][0 if is_true else 1]
                wanted = replace(label.wanted, **{name: getattr(label.wanted, name) | {value}})
                label = replace(self._present(label) if is_true else label, wanted=wanted)
        return self._valued(label)

    def _present(self, label: Label) -> Label:
        return replace(label, may_be_absent=False)

    def _within(self, label: Label, values: frozenset[str], *, is_in: bool) -> Label:
        if not is_in:
            return replace(label, taken=label.taken | values)
        if label.values is not None:
            values &= label.values
        elif self.kubernetes_values:
            values = frozenset(filter(is_label_value, values))
        return replace(label, values=values, may_be_absent=False)

    def _valued(self, label: Label) -> Label | None:
        """Keep the value if it still does, or find another."""
        if label.is_valued and label.accepts(label.value):
            return label
        if label.may_be_absent:
            return replace(label, value=None)
        if label.values is not None:
            value = min(filter(label.accepts, label.values), default=None)
            return None if value is None else replace(label, value=value, is_valued=True)
        if not label.is_valued:
            return label  # more demands do not make it easier
        try:
            value = self._found(label)
        except TooMuchWorkError:
            # Present it is in any case, and that may be enough to rule other demands out.
            return replace(label, value="", is_valued=False)
        return None if value is None else replace(label, value=value)

    def _found(self, label: Label) -> str | None:
        share = Budget(min(self.budget.left, VALUE_BUDGET))
        before = share.left
        try:
            return find_value(label.wanted, label.taken, share, kubernetes_values=self.kubernetes_values)
        finally:
            self.budget.left -= before - max(share.left, 0)
