"""Label values: whether some value begins, ends and contains as asked, and which; exact, or too much work."""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from string import ascii_lowercase, ascii_uppercase, digits

MAX_VALUE = 63  # Kubernetes' limit for label values, and for the name part of keys
_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
_ENDS = frozenset(ascii_lowercase + digits + ascii_uppercase)
_INSIDE = _ENDS | frozenset("-_.")
_FRESH = ascii_lowercase + digits + ascii_uppercase


class TooMuchWorkError(Exception):
    """Raised when the budget ends before the answer is known."""


@dataclass(slots=True)
class Budget:
    """Steps left; what is spent stays spent."""

    left: int

    def spend(self, steps: int = 1) -> None:
        self.left -= steps
        if self.left < 0:
            raise TooMuchWorkError


def is_label_value(value: str) -> bool:
    return _VALUE.fullmatch(value) is not None


def is_label_key(key: str) -> bool:
    """Say whether Kubernetes takes the key, or takes the key that Calico may have prefixed to make it."""
    return _is_own_key(key) or (key.startswith(("pcns.", "pcsa.")) and _is_own_key(key[len("pcns.") :]))


def _is_own_key(key: str) -> bool:
    domain, slash, name = key.rpartition("/")
    if slash and (len(domain) > 253 or not _DOMAIN.fullmatch(domain)):
        return False
    return _NAME.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a value must and must not be like."""

    contains: frozenset[str] = frozenset()
    starts: frozenset[str] = frozenset()
    ends: frozenset[str] = frozenset()
    lacks: frozenset[str] = frozenset()
    not_starts: frozenset[str] = frozenset()
    not_ends: frozenset[str] = frozenset()

    def accepts(self, value: str) -> bool:
        return (
            all(part in value for part in self.contains)
            and all(map(value.startswith, self.starts))
            and all(map(value.endswith, self.ends))
            and not any(part in value for part in self.lacks)
            and not any(map(value.startswith, self.not_starts))
            and not any(map(value.endswith, self.not_ends))
        )


def find_value(wanted: Wanted, taken: frozenset[str], budget: Budget, *, kubernetes_values: bool) -> str | None:
    """
    Find a value that is wanted and not taken, or return None when there is none.

    Raises:
        TooMuchWorkError: when that is not known within the budget.
    """
    for value in _guesses(wanted):
        budget.spend()
        if _is_found(value, wanted, taken, kubernetes_values=kubernetes_values):
            return value
    return shortest_value(wanted, taken, budget, kubernetes_values=kubernetes_values)


def shortest_value(wanted: Wanted, taken: frozenset[str], budget: Budget, *, kubernetes_values: bool) -> str | None:
    """Find the shortest such value; as find_value, without guessing first."""
    start, parts, end = _pieces(wanted)
    if not all(map(start.startswith, wanted.starts)) or not all(map(end.endswith, wanted.ends)):
        return None
    if kubernetes_values and not all(_INSIDE.issuperset(part) for part in (start, end, *parts)):
        return None
    taken = frozenset(value for value in taken if wanted.accepts(value))
    budget.spend(len(taken) // 8)
    found = _Automaton(wanted, taken, kubernetes_values=kubernetes_values).shortest(budget)
    if found is not None and not _is_found(found, wanted, taken, kubernetes_values=kubernetes_values):
        raise AssertionError(f"the automaton found what is not wanted: {found!r}")
    return found


def _is_found(value: str, wanted: Wanted, taken: frozenset[str], *, kubernetes_values: bool) -> bool:
    return value not in taken and wanted.accepts(value) and (not kubernetes_values or is_label_value(value))


def _pieces(wanted: Wanted) -> tuple[str, tuple[str, ...], str]:
    """Return the longest start, the parts that do not come for free with other pieces, and the longest end."""
    start, end = max(wanted.starts, key=len, default=""), max(wanted.ends, key=len, default="")
    needed: list[str] = []
    for part in sorted(wanted.contains, key=lambda part: (-len(part), part)):
        if not any(part in other for other in (start, end, *needed)):
            needed.append(part)
    return start, tuple(needed), end


def _guesses(wanted: Wanted) -> Iterator[str]:
    """Try what a person would: it is right nearly always, and reads better than the shortest value."""
    start, parts, end = _pieces(wanted)
    if not (start or parts or end):
        yield from ("other", "another", "other-1")
    pieces = [piece for piece in (start, *parts, end) if piece]
    if not parts:
        common = next((n for n in range(min(len(start), len(end)), -1, -1) if start.endswith(end[:n])), 0)
        yield start + end[common:]
    for glue in ("", "-", "x", "0"):
        yield glue.join(pieces)
    yield ("" if start else "x") + "".join(pieces) + ("" if end else "x")


@dataclass(slots=True)
class _Node:
    """One place in a trie: what has just been read, and what its having been read means."""

    next: dict[str, int] = field(default_factory=dict)
    fallback: int = 0
    parts: int = 0
    is_lacked: bool = False
    is_end: bool = False
    is_bad_end: bool = False


class _Automaton:
    """
    Reads values character by character and knows whether they are wanted.

    A place in the search is (what was read last, where in the beginnings that are not wanted, which parts were seen,
    whether a value may end here). Two values at one place have the same future, so each place is visited once, by its
    shortest value. Characters in no literal are all alike: one stands for them all.
    """

    def __init__(self, wanted: Wanted, taken: frozenset[str], *, kubernetes_values: bool) -> None:
        start, parts, end = _pieces(wanted)
        self.kubernetes_values = kubernetes_values
        self.start, self.end = start, end
        self.all_parts = (1 << len(parts)) - 1
        self.recent = [_Node()]
        for bit, part in enumerate(parts):
            self.recent[_insert(self.recent, part)].parts |= 1 << bit
        for part in wanted.lacks:
            self.recent[_insert(self.recent, part)].is_lacked = True
        for part in wanted.not_ends:
            self.recent[_insert(self.recent, part)].is_bad_end = True
        if end:
            self.recent[_insert(self.recent, end)].is_end = True
        _link(self.recent)
        self.beginning = [_Node()]
        for part in wanted.not_starts:
            self.beginning[_insert(self.beginning, part)].is_lacked = True
        for value in taken:
            self.beginning[_insert(self.beginning, value)].is_bad_end = True
        self.alphabet = self._alphabet(
            (start, end, *parts, *wanted.lacks, *wanted.not_starts, *wanted.not_ends, *taken)
        )

    def _alphabet(self, literals: Iterable[str]) -> tuple[str, ...]:
        used = set().union(*literals)
        fresh = next((c for c in _FRESH if c not in used), None)
        if fresh is None and not self.kubernetes_values:
            fresh = next(c for c in map(chr, range(0x100, 0x110000)) if c not in used)
        if self.kubernetes_values:
            used &= _INSIDE
        return (*((fresh,) if fresh else ()), *sorted(used))

    def shortest(self, budget: Budget) -> str | None:
        place: _Place | None = (0, 0, 0, True)
        for at, character in enumerate(self.start):
            place = self._read(place, character, is_first=at == 0) if place else None
        if place is None or self.recent[0].is_lacked or self.beginning[0].is_lacked:
            return None
        length = len(self.start)
        came_from: dict[_Place, tuple[_Place, str] | None] = {place: None}
        level = deque([place])
        while level:
            for _ in range(len(level)):
                place = level.popleft()
                budget.spend(1 + len(self.alphabet) // 8)
                if self._may_end(place):
                    return self.start + _spelled(place, came_from)
                if self.kubernetes_values and length >= MAX_VALUE:
                    continue
                for character in self.alphabet:
                    following = self._read(place, character, is_first=length == 0)
                    if following is not None and following not in came_from:
                        came_from[following] = (place, character)
                        level.append(following)
            length += 1
        return None

    def _read(self, place: "_Place", character: str, *, is_first: bool) -> "_Place | None":
        recent, beginning, parts, _ = place
        may_end = not self.kubernetes_values or character in _ENDS
        if is_first and not may_end:
            return None
        while recent and character not in self.recent[recent].next:
            recent = self.recent[recent].fallback
        recent = self.recent[recent].next.get(character, 0)
        if beginning >= 0:
            beginning = self.beginning[beginning].next.get(character, -1)
        if self.recent[recent].is_lacked or (beginning >= 0 and self.beginning[beginning].is_lacked):
            return None
        return recent, beginning, parts | self.recent[recent].parts, may_end

    def _may_end(self, place: "_Place") -> bool:
        recent, beginning, parts, may_end = place
        node = self.recent[recent]
        return (
            may_end
            and parts == self.all_parts
            and (node.is_end or not self.end)
            and not node.is_bad_end
            and not (beginning >= 0 and self.beginning[beginning].is_bad_end)
        )


_Place = tuple[int, int, int, bool]


def _spelled(place: _Place, came_from: dict[_Place, tuple[_Place, str] | None]) -> str:
    characters = []
    while (origin := came_from[place]) is not None:
        place, character = origin
        characters.append(character)
    return "".join(reversed(characters))


def _insert(trie: list[_Node], word: str) -> int:
    at = 0
    for character in word:
        if character not in trie[at].next:
            trie[at].next[character] = len(trie)
            trie.append(_Node())
        at = trie[at].next[character]
    return at


def _link(trie: list[_Node]) -> None:
    """Let every place fall back to the longest shorter one that was also just read (Aho and Corasick, 1975)."""
    level = deque(trie[0].next.values())
    while level:
        at = level.popleft()
        for character, following in trie[at].next.items():
            level.append(following)
            fallback = trie[at].fallback
            while fallback and character not in trie[fallback].next:
                fallback = trie[fallback].fallback
            fallback = trie[fallback].next.get(character, 0)
            trie[following].fallback = fallback
        fallen = trie[trie[at].fallback]
        trie[at].parts |= fallen.parts
        trie[at].is_lacked |= fallen.is_lacked
        trie[at].is_end |= fallen.is_end
        trie[at].is_bad_end |= fallen.is_bad_end
