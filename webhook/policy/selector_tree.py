"""Selector trees: Calico's selectors as immutable values that match, compare and print themselves; no parsing."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

Labels = Mapping[str, str]
MAX_LABEL = 512  # the tokenizer's own limit; Kubernetes stops at 317

_LABEL = re.compile(rf"[A-Za-z0-9_./-]{{1,{MAX_LABEL}}}")
# A program is a selector without its nesting: each test names the next one for
# either outcome. A selector can nest deeper than Python can recurse.
_Program = tuple[tuple[Callable[[Labels], bool], int, int], ...]
_YES, _NO = -1, -2


def _check(key: str, values: Iterable[str] = ()) -> None:
    """Refuse what the language cannot spell, so that printing never builds a different selector."""
    if not _LABEL.fullmatch(key):
        raise ValueError(f"not a label name a selector can hold: {key[:80]!r}")
    for value in values:
        if '"' in value and "'" in value:
            raise ValueError(f"no selector can quote both kinds of quotes: {value[:80]!r}")


def _quoted(value: str) -> str:
    return f"'{value}'" if '"' in value else f'"{value}"'


class _Tree:
    """What all selectors share."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<selector {self}>"


@dataclass(frozen=True, slots=True, repr=False)
class All(_Tree):
    def matches(self, labels: Labels) -> bool:
        return True

    def __str__(self) -> str:
        return "all()"


@dataclass(frozen=True, slots=True, repr=False)
class Global(_Tree):
    """True of everything: it means something only where Calico replaces it (`webhook.policy.selectors`)."""

    def matches(self, labels: Labels) -> bool:
        return True

    def __str__(self) -> str:
        return "global()"


@dataclass(frozen=True, slots=True, repr=False)
class Has(_Tree):
    key: str

    def __post_init__(self) -> None:
        _check(self.key)

    def matches(self, labels: Labels) -> bool:
        return self.key in labels

    def __str__(self) -> str:
        return f"has({self.key})"


@dataclass(frozen=True, slots=True, repr=False)
class _Comparison(_Tree):
    key: str
    value: str
    operator: ClassVar[str]

    def __post_init__(self) -> None:
        _check(self.key, (self.value,))

    def __str__(self) -> str:
        return f"{self.key} {self.operator} {_quoted(self.value)}"


@dataclass(frozen=True, slots=True, repr=False)
class Equal(_Comparison):
    operator = "=="

    def matches(self, labels: Labels) -> bool:
        return labels.get(self.key) == self.value


@dataclass(frozen=True, slots=True, repr=False)
class NotEqual(_Comparison):
    """Also true when the label is absent."""

    operator = "!="

    def matches(self, labels: Labels) -> bool:
        return labels.get(self.key) != self.value


@dataclass(frozen=True, slots=True, repr=False)
class Contains(_Comparison):
    operator = "contains"

    def matches(self, labels: Labels) -> bool:
        found = labels.get(self.key)
        return found is not None and self.value in found


@dataclass(frozen=True, slots=True, repr=False)
class StartsWith(_Comparison):
    operator = "starts with"

    def matches(self, labels: Labels) -> bool:
        found = labels.get(self.key)
        return found is not None and found.startswith(self.value)


@dataclass(frozen=True, slots=True, repr=False)
class EndsWith(_Comparison):
    operator = "ends with"

    def matches(self, labels: Labels) -> bool:
        found = labels.get(self.key)
        return found is not None and found.endswith(self.value)


@dataclass(frozen=True, slots=True, repr=False)
class _Membership(_Tree):
    key: str
    values: frozenset[str]
    operator: ClassVar[str]

    def __post_init__(self) -> None:
        _check(self.key, self.values)

    def __str__(self) -> str:
        return f"{self.key} {self.operator} {{{', '.join(map(_quoted, sorted(self.values)))}}}"


@dataclass(frozen=True, slots=True, repr=False)
class In(_Membership):
    operator = "in"

    def matches(self, labels: Labels) -> bool:
        return labels.get(self.key) in self.values


@dataclass(frozen=True, slots=True, repr=False)
class NotIn(_Membership):
    """Also true when the label is absent."""

    operator = "not in"

    def matches(self, labels: Labels) -> bool:
        return labels.get(self.key) not in self.values


class _Branch(_Tree):
    """A selector of selectors. Nothing here recurses: comparing and hashing nested dataclasses would."""

    __slots__ = ()
    _hash: int
    _program: _Program | None

    def matches(self, labels: Labels) -> bool:
        program = self._program
        if program is None:
            program = _compile(self)
            object.__setattr__(self, "_program", program)
        step = 0
        while step >= 0:
            test, yes, no = program[step]
            step = yes if test(labels) else no
        return step == _YES

    def __str__(self) -> str:
        return _printed(self)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Branch) and _same(self, other)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Not(_Branch):
    operand: "Selector"
    _hash: int = field(init=False)
    _program: _Program | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash(("!", self.operand)))


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class And(_Branch):
    operands: tuple["Selector", ...]
    _hash: int = field(init=False)
    _program: _Program | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        _check_operands(self.operands)
        object.__setattr__(self, "_hash", hash(("&&", self.operands)))


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Or(_Branch):
    operands: tuple["Selector", ...]
    _hash: int = field(init=False)
    _program: _Program | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        _check_operands(self.operands)
        object.__setattr__(self, "_hash", hash(("||", self.operands)))


Leaf = All | Global | Has | Equal | NotEqual | In | NotIn | Contains | StartsWith | EndsWith
Selector = Leaf | Not | And | Or


def _check_operands(operands: tuple[Selector, ...]) -> None:
    if len(operands) < 2:
        raise ValueError(f"an operator between selectors needs two of them, not {len(operands)}")


def children(selector: Selector) -> tuple[Selector, ...]:
    match selector:
        case Not(operand):
            return (operand,)
        case And(operands) | Or(operands):
            return operands
        case _:
            return ()


def _same(one: _Tree, other: _Tree) -> bool:
    pairs: list[tuple[_Tree, _Tree]] = [(one, other)]
    while pairs:
        left, right = pairs.pop()
        if left is right:
            continue
        if type(left) is not type(right) or hash(left) != hash(right):
            return False
        if isinstance(left, Not) and isinstance(right, Not):
            pairs.append((left.operand, right.operand))
        elif isinstance(left, And | Or) and isinstance(right, And | Or):
            if len(left.operands) != len(right.operands):
                return False
            pairs.extend(zip(left.operands, right.operands, strict=True))
        elif left != right:
            return False
    return True


def _printed(root: _Tree) -> str:
    parts: list[str] = []
    pending: list[str | _Tree] = [root]
    while pending:
        item = pending.pop()
        match item:
            case Not(operand):
                parts.append("!")
                pending.append(operand)
            case And(operands) | Or(operands):
                operator = " && " if isinstance(item, And) else " || "
                parts.append("(")
                pending.append(")")
                for operand in reversed(operands[1:]):
                    pending += (operand, operator)
                pending.append(operands[0])
            case _:
                parts.append(str(item))
    return "".join(parts)


def _compile(root: _Tree) -> _Program:
    """Lay the tests out in order; `yes` and `no` are marks first, and places in the program once all are known."""
    tests: list[tuple[Callable[[Labels], bool], int, int]] = []
    places = {_YES: _YES, _NO: _NO}
    marks = 0
    pending: list[tuple[_Tree, int, int, int]] = [(root, _YES, _NO, 0)]
    while pending:
        node, yes, no, mark = pending.pop()
        places.setdefault(mark, len(tests))
        match node:
            case Not(operand):
                marks += 1
                pending.append((operand, no, yes, marks))
            case And(operands) | Or(operands):
                first = marks + 1
                marks += len(operands)
                last = marks
                for at in range(last, first - 1, -1):
                    following = at + 1
                    if isinstance(node, And):
                        pending.append((operands[at - first], following if at < last else yes, no, at))
                    else:
                        pending.append((operands[at - first], yes, following if at < last else no, at))
            case _:
                tests.append((node.matches, yes, no))  # type: ignore[attr-defined]  # every other tree is a leaf
    return tuple((test, places[yes], places[no]) for test, yes, no in tests)
