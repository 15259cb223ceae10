"""Satisfiability: whether labels exist that a selector matches, in any world; what labels mean is not known here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from webhook.policy.label_demands import ABSENT, ANYTHING, PRESENT, Demands, Domain, Label, one_of
from webhook.policy.label_values import Budget, TooMuchWorkError
from webhook.policy.selectors import (
    All,
    And,
    Equal,
    Global,
    Has,
    In,
    Not,
    NotEqual,
    NotIn,
    Or,
    Selector,
    children,
)

__all__ = [
    "ABSENT",
    "ANYTHING",
    "BUDGET",
    "PRESENT",
    "Answer",
    "Domain",
    "Satisfiability",
    "Unknown",
    "Unsatisfiable",
    "Witness",
    "disjoint",
    "implies",
    "one_of",
    "satisfiable",
]

BUDGET = 20_000  # steps: selectors need tens or hundreds, and 20,000 take a fraction of a second


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


_Demand = tuple[Selector, bool]  # the selector, and whether it must match or must not
_Labels = dict[str, Label]
_Branch = tuple[list[_Demand], list[_Demand], _Labels]  # demands to meet, choices open, labels so far
_FINITE = (Has, Equal, NotEqual, In, NotIn)


class _Search:
    """
    Goes through the alternatives depth first.

    Every label always has a value that meets what is demanded of it so far. So when the values at hand meet all
    choices still open, they are a witness; and only a choice that they do not meet has to be made.
    """

    def __init__(self, domains: Mapping[str, Domain], budget: Budget, *, kubernetes_values: bool) -> None:
        self.keys = sorted(domains)
        self.budget = budget
        self.labels = Demands(domains, budget, kubernetes_values=kubernetes_values)
        self.gave_up = False

    def run(self, selector: Selector) -> dict[str, str] | None:
        cost = self._measured(selector)
        labels: _Labels = {}
        for key in self.keys:
            if not self._put(labels, key, self.labels.new(key)):
                return None
        branches: list[_Branch] = [([(selector, True)], [], labels)]
        while branches:
            self.budget.spend(cost)
            demands, choices, labels = branches.pop()
            if not self._demanded(demands, choices, labels):
                continue
            values = {key: label.value for key, label in labels.items() if label.value is not None}
            unmet = [choice for choice in choices if choice[0].matches(values) is not choice[1]]
            if not unmet and all(label.is_valued for label in labels.values()):
                return values
            if not unmet:
                self.gave_up = True
                continue
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
                    if not self._put(labels, node.key, self.labels.narrowed(labels.get(node.key), node, is_true=sign)):
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
                return self.labels.narrowed(labels.get(node.key), node, is_true=sign) is not None

    def _put(self, labels: _Labels, key: str, label: Label | None) -> bool:
        if label is None:
            return False
        labels[key] = label
        return True


def _bare(demand: _Demand) -> _Demand:
    node, sign = demand
    while isinstance(node, Not):
        node, sign = node.operand, not sign
    return node, sign


def _ways(choice: _Demand) -> Iterator[_Demand]:
    node, sign = choice
    return (_bare((operand, sign)) for operand in children(node))
