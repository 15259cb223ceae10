"""Satisfiability: whether labels exist that a selector matches, in any world; what labels mean is not known here."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from webhook.policy.label_values import Budget, TooMuchWorkError, Wanted, find_value, is_label_key, is_label_value
from webhook.policy.selectors import (
    All,
    And,
    Contains,
    EndsWith,
    Equal,
    Global,
    Has,
    In,
    Not,
    NotEqual,
    NotIn,
    Or,
    Selector,
    StartsWith,
    children,
)

BUDGET = 20_000  # steps: selectors need tens or hundreds, and 20,000 take a fraction of a second
VALUE_BUDGET = 4_000  # of them, for one value of one label


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
class Witness:
    """These labels match; a label not named is absent."""

    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Unsatisfiable:
    """No labels match."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Neither was found: treat it as if labels existed."""

    budget_exceeded: bool


Satisfiability = Witness | Unsatisfiable | Unknown


class Answer(Enum):
    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


def satisfiable(
    selector: Selector,
    domains: Mapping[str, Domain] | None = None,
    *,
    budget: int = BUDGET,
    kubernetes_values: bool = True,
) -> Satisfiability:
    """
    Find labels within the domains that the selector matches, or prove that there are none.

    Both answers are exact for the whole language; only work beyond the budget ends in Unknown.

    `kubernetes_values` takes for granted that keys and values not in the domains are what the API server accepts as
    labels. That holds for pods, namespaces, service accounts and Calico's sets, whose labels are metadata. It does
    not for a host endpoint that inherits labels from a Profile's `labelsToApply`, which nothing validates.
    """
    search = _Search(domains or {}, Budget(budget), kubernetes_values=kubernetes_values)
    try:
        labels = search.run(selector)
    except TooMuchWorkError:
        return Unknown(budget_exceeded=True)
    if labels is None:
        return Unknown(budget_exceeded=True) if search.gave_up else Unsatisfiable()
    if not selector.matches(labels):
        raise AssertionError(f"labels that do not match after all: {selector} on {labels}")
    return Witness(tuple(sorted(labels.items())))


def implies(
    one: Selector, other: Selector, domains: Mapping[str, Domain] | None = None, *, budget: int = BUDGET
) -> Answer:
    """Say whether all labels that match one match the other."""
    return disjoint(one, Not(other), domains, budget=budget)


def disjoint(
    one: Selector, other: Selector, domains: Mapping[str, Domain] | None = None, *, budget: int = BUDGET
) -> Answer:
    """Say whether no labels match both."""
    match satisfiable(And((one, other)), domains, budget=budget):
        case Witness():
            return Answer.NO
        case Unsatisfiable():
            return Answer.YES
        case Unknown():
            return Answer.UNKNOWN


_NOTHING_WANTED = Wanted()


@dataclass(frozen=True, slots=True)
class _Label:
    """All that is demanded of one label, and a value (None: absent) that is all of it."""

    value: str | None
    may_be_absent: bool
    values: frozenset[str] | None
    taken: frozenset[str] = frozenset()
    wanted: Wanted = _NOTHING_WANTED

    def accepts(self, value: str | None) -> bool:
        if value is None:
            return self.may_be_absent
        return (self.values is None or value in self.values) and value not in self.taken and self.wanted.accepts(value)


_Demand = tuple[Selector, bool]  # the selector, and whether it must match or must not
_Labels = dict[str, _Label]
_Branch = tuple[list[_Demand], list[_Demand], _Labels]  # demands to meet, choices open, labels so far
_KeyedLeaf = Has | Equal | NotEqual | In | NotIn | Contains | StartsWith | EndsWith
_WANTED: dict[type, tuple[str, str]] = {
    Contains: ("contains", "lacks"),
    StartsWith: ("starts", "not_starts"),
    EndsWith: ("ends", "not_ends"),
}
_FINITE = (Has, Equal, NotEqual, In, NotIn)


class _Search:
    """
    Goes through the alternatives depth first.

    Every label always has a value that meets what is demanded of it so far. So when the values at hand meet all
    choices still open, they are a witness; and only a choice that they do not meet has to be made.
    """

    def __init__(self, domains: Mapping[str, Domain], budget: Budget, *, kubernetes_values: bool) -> None:
        self.domains = domains
        self.budget = budget
        self.kubernetes_values = kubernetes_values
        self.gave_up = False

    def run(self, selector: Selector) -> dict[str, str] | None:
        cost = self._measured(selector)
        labels: _Labels = {}
        for key in sorted(self.domains):
            if not self._put(labels, key, self._new(key)):
                return None
        branches: list[_Branch] = [([(selector, True)], [], labels)]
        while branches:
            self.budget.spend(cost)
            demands, choices, labels = branches.pop()
            if not self._demanded(demands, choices, labels):
                continue
            values = {key: label.value for key, label in labels.items() if label.value is not None}
            unmet = [choice for choice in choices if choice[0].matches(values) is not choice[1]]
            if not unmet:
                return values
            branches.extend(self._alternatives(unmet, choices, labels))
        return None

    def _measured(self, selector: Selector) -> int:
        """Spend what preparing the selector costs, and return what one branch of the search costs."""
        count = total = 0
        pending = [(selector, 1)]
        while pending:
            node, depth = pending.pop()
            if not isinstance(node, Not):
                count += 1
                total += depth  # it is compiled once in every choice around it
                depth += 1
            pending.extend((child, depth) for child in children(node))
        self.budget.spend(total // 64)
        return 1 + count // 64

    def _demanded(self, demands: list[_Demand], choices: list[_Demand], labels: _Labels) -> bool:
        """Take the demands apart into labels narrowed and choices open; say whether it was possible."""
        while demands:
            node, sign = _bare(demands.pop())
            match node:
                case All() | Global():
                    if not sign:
                        return False
                case And(operands) | Or(operands):
                    if isinstance(node, And) is sign:
                        demands.extend((operand, sign) for operand in operands)
                    else:
                        choices.append((node, sign))
                case Not():
                    raise AssertionError("a bare demand is no negation")
                case _:
                    if not self._put(labels, node.key, self._narrowed(labels.get(node.key), node, is_true=sign)):
                        return False
        return True

    def _alternatives(self, unmet: list[_Demand], choices: list[_Demand], labels: _Labels) -> Iterator[_Branch]:
        """Branch on the choice that leaves the fewest ways, the first of them last."""
        best: tuple[_Demand, list[_Demand]] | None = None
        for choice in unmet:
            ways = [way for way in _ways(choice) if self._is_open(way, labels)]
            if best is None or len(ways) < len(best[1]):
                best = choice, ways
            if len(ways) < 2:
                break
        if best is None:
            raise AssertionError("no choice to make")
        chosen, ways = best
        others = [choice for choice in choices if choice is not chosen]
        for at in range(len(ways) - 1, -1, -1):
            # The ways before this one have failed by then, so their opposites hold.
            failed = [(node, not sign) for node, sign in ways[:at] if isinstance(node, _FINITE)]
            yield [*failed, ways[at]], list(others), dict(labels)

    def _is_open(self, way: _Demand, labels: _Labels) -> bool:
        node, sign = way
        match node:
            case All() | Global():
                return sign
            case And() | Or() | Not():
                return True
            case _:
                return self._narrowed(labels.get(node.key), node, is_true=sign) is not None

    def _put(self, labels: _Labels, key: str, label: _Label | None) -> bool:
        if label is None:
            return False
        labels[key] = label
        return True

    def _new(self, key: str) -> _Label | None:
        if key in self.domains:
            domain = self.domains[key]
        else:
            domain = ABSENT if self.kubernetes_values and not is_label_key(key) else ANYTHING
        return self._valued(_Label(None, domain.may_be_absent, domain.values))

    def _narrowed(self, label: _Label | None, leaf: _KeyedLeaf, *, is_true: bool) -> _Label | None:
        label = label or self._new(leaf.key)
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

    def _present(self, label: _Label) -> _Label:
        return replace(label, may_be_absent=False)

    def _within(self, label: _Label, values: frozenset[str], *, is_in: bool) -> _Label:
        if not is_in:
            return replace(label, taken=label.taken | values)
        if label.values is not None:
            values &= label.values
        elif self.kubernetes_values:
            values = frozenset(filter(is_label_value, values))
        return replace(label, values=values, may_be_absent=False)

    def _valued(self, label: _Label) -> _Label | None:
        """Keep the value if it still does, or find another."""
        if label.accepts(label.value):
            return label
        if label.may_be_absent:
            return replace(label, value=None)
        if label.values is not None:
            value = min(filter(label.accepts, label.values), default=None)
        else:
            value = self._found(label)
        return None if value is None else replace(label, value=value)

    def _found(self, label: _Label) -> str | None:
        # One label must not use up the budget: the rest of the selector may have no answer, whatever its value.
        share = Budget(min(self.budget.left, VALUE_BUDGET))
        before = share.left
        try:
            return find_value(label.wanted, label.taken, share, kubernetes_values=self.kubernetes_values)
        except TooMuchWorkError:
            self.gave_up = True
            return None
        finally:
            self.budget.spend(before - max(share.left, 0))


def _bare(demand: _Demand) -> _Demand:
    node, sign = demand
    while isinstance(node, Not):
        node, sign = node.operand, not sign
    return node, sign


def _ways(choice: _Demand) -> Iterator[_Demand]:
    node, sign = choice
    return (_bare((operand, sign)) for operand in children(node))
