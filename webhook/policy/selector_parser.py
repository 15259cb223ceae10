"""The grammar of Calico's selectors: text in, tree or error with its place out."""

import re
from functools import lru_cache
from typing import Final

from webhook.policy.selector_tree import (
    MAX_LABEL,
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
)

_MAX_CACHED = 1024  # characters: a cache must not keep megabytes a stranger sent

_CHARACTER = "[A-Za-z0-9_./-]"
_BLANKS = r"[ \t]*+"  # a line break is no blank: Calico refuses it
# Possessive throughout: no operator may be cut off a label's end (`abin {}` is
# not `ab in {}`), and no hostile text makes it look twice.
_PREFIX = re.compile(rf"{_BLANKS}(?:(\()|!(?!=))")
_OPERATORS = rf"==|!=|contains|starts{_BLANKS}with|ends{_BLANKS}with|not{_BLANKS}in|in"
_ATOM = re.compile(
    rf"{_BLANKS}(?:"
    rf"has\({_BLANKS}(?P<has>{_CHARACTER}++){_BLANKS}\)"
    rf"|(?P<all>all\({_BLANKS}\))"
    rf"|(?P<global>global\({_BLANKS}\))"
    rf"|(?P<key>{_CHARACTER}++){_BLANKS}(?P<operator>{_OPERATORS}){_BLANKS}"
    r"""(?:"(?P<double>[^"]*+)"|'(?P<single>[^']*+)'|(?P<brace>\{)))"""
)
_JOIN = re.compile(rf"{_BLANKS}(?:(&&)|(\|\|)|(\))|(\Z))")
_AND, _OR, _CLOSE, _END = 1, 2, 3, 4
_ELEMENT = re.compile(rf"""{_BLANKS}(?:"([^"]*+)"|'([^']*+)'){_BLANKS}(,)?+""")
_SET_END = re.compile(rf"{_BLANKS}\}}")
_SKIP = re.compile(_BLANKS)
_LABEL = re.compile(f"{_CHARACTER}++")
_OPERATOR = re.compile(rf"(?:{_OPERATORS})(?:(?<=[=])|(?!{_CHARACTER}))")

_COMPARISONS: Final[dict[str, type[Equal | NotEqual | Contains | StartsWith | EndsWith]]] = {
    "==": Equal,
    "!=": NotEqual,
    "contains": Contains,
    "startswith": StartsWith,
    "endswith": EndsWith,
}
_SETS: Final[dict[str, type[In | NotIn]]] = {"in": In, "notin": NotIn}


class SelectorError(ValueError):
    """Raised when a text is not a selector, with the place of the first character that cannot be read."""

    def __init__(self, text: str, offset: int, expected: str) -> None:
        super().__init__(text, offset, expected)
        self.text = text
        self.offset = offset
        self.expected = expected

    def __str__(self) -> str:
        return f"at character {self.offset + 1}: expected {self.expected}"

    def caret(self) -> str:
        """Show the text, or the part of a long one around the error, with a caret line below."""
        start = max(0, self.offset - 60)
        shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in self.text[start : start + 100])
        before, after = "…" if start else "", "…" if start + 100 < len(self.text) else ""
        return f"{before}{shown}{after}\n{' ' * (len(before) + self.offset - start)}^"


def parse(text: str) -> Selector:
    """
    Read one selector.

    ```
    selector := [ or ]                                      # nothing or blanks only: all()
    or       := and { "||" and }
    and      := term { "&&" term }
    term     := { "!" } atom                                # negates all of the atom; an even number is none
    atom     := "(" or ")" | "all(" ")" | "global(" ")" | "has(" LABEL ")"
              | LABEL ( "==" | "!=" | "contains" | "starts" "with" | "ends" "with" ) STRING
              | LABEL [ "not" ] "in" "{" [ STRING { "," STRING } [ "," ] ] "}"
    LABEL    := 1 to 512 of A-Z a-z 0-9 _ . / -
    STRING   := '"' any but '"' '"' | "'" any but "'" "'"   # no escapes
    ```
    Spaces and tabs may stand between any two, but not before the parenthesis of `has(`, `all(` and `global(`. As in
    Calico nothing limits the nesting: neither reading nor anything done to a selector afterwards recurses.

    Raises:
        SelectorError: with the place and what was expected there.
    """
    return _parse_cached(text) if len(text) <= _MAX_CACHED else _parse(text)


def is_blank(text: str) -> bool:
    """
    Say whether the text is blanks only, but not empty.

    Calico reads it as all(), but treats a policy with a blank selector as missing, and Felix exits on a blank
    notSelector: whoever reads a policy refuses it.
    """
    return text != "" and not text.strip(" \t")


def _parse(text: str) -> Selector:
    if not text.strip(" \t"):
        return All()
    outer: list[tuple[list[Selector], list[Selector], bool]] = []
    opened: list[int] = []
    ors: list[Selector] = []
    ands: list[Selector] = []
    at = 0
    while True:
        negated = False
        while prefix := _PREFIX.match(text, at):
            at = prefix.end()
            if prefix.lastindex is None:
                negated = not negated
                continue
            outer.append((ors, ands, negated))
            opened.append(at - 1)
            ors, ands, negated = [], [], False
        atom, at = _atom(text, at)
        ands.append(Not(atom) if negated else atom)
        while (join := _JOIN.match(text, at)) and join.lastindex == _CLOSE and outer:
            at = join.end()
            ors.append(_joined(And, ands))
            group = _joined(Or, ors)
            opened.pop()
            ors, ands, negated = outer.pop()
            ands.append(Not(group) if negated else group)
        if join is None or join.lastindex == _CLOSE or (join.lastindex == _END and outer):
            raise _join_error(text, at, opened)
        at = join.end()
        if join.lastindex != _AND:
            ors.append(_joined(And, ands))
            ands = []
        if join.lastindex == _END:
            return _joined(Or, ors)


_parse_cached = lru_cache(maxsize=1024)(_parse)


def _joined(operator: type[And] | type[Or], operands: list[Selector]) -> Selector:
    return operands[0] if len(operands) == 1 else operator(tuple(operands))


def _atom(text: str, at: int) -> tuple[Selector, int]:
    found = _ATOM.match(text, at)
    if found is None:
        raise _atom_error(text, at)
    if found["all"]:
        return All(), found.end()
    if found["global"]:
        return Global(), found.end()
    key = found["has"] or found["key"]
    if len(key) > MAX_LABEL:
        raise SelectorError(text, found.start("has" if found["has"] else "key"), _label_limit())
    if found["has"]:
        return Has(key), found.end()
    operator = "".join(found["operator"].split())
    if found["brace"]:
        if operator not in _SETS:
            raise _error(text, found.start("brace"), f"a quoted string after `{found['operator']}`")
        values, end = _elements(text, found.end())
        return _SETS[operator](key, values), end
    if operator in _SETS:
        raise _error(text, _skip(text, found.end("operator")), f"`{{` after `{found['operator']}`")
    value: str = found["double"] if found["double"] is not None else found["single"]
    return _COMPARISONS[operator](key, value), found.end()


def _elements(text: str, at: int) -> tuple[frozenset[str], int]:
    values = []
    comma = True
    while comma and (element := _ELEMENT.match(text, at)):
        values.append(element[1] if element[1] is not None else element[2])
        comma = element[3] is not None
        at = element.end()
    if end := _SET_END.match(text, at):
        return frozenset(values), end.end()
    at = _skip(text, at)
    if comma and text[at : at + 1] in ("'", '"') and at < len(text):
        raise _unclosed(text, at)
    raise _error(text, at, "a quoted string or `}`" if comma else "`,` or `}`")


def _atom_error(text: str, at: int) -> SelectorError:
    at = _skip(text, at)
    for word in ("has", "all", "global"):
        if text.startswith(f"{word}(", at):
            return _call_error(text, at + len(word) + 1, word)
    label = _LABEL.match(text, at)
    if label is None:
        return _error(text, at, "a label, `has(`, `all()`, `!` or `(`")
    if len(label[0]) > MAX_LABEL:
        return SelectorError(text, at, _label_limit())
    after = _skip(text, label.end())
    if label[0] in ("has", "all", "global") and text.startswith("(", after):
        return SelectorError(text, label.end(), f"`(` directly after `{label[0]}`")
    operator = _OPERATOR.match(text, after)
    if operator is None:
        wanted = "`==`" if text.startswith("=", after) else "an operator"
        return _error(text, after, f"{wanted} after label `{_short(label[0])}`")
    value = _skip(text, operator.end())
    if "".join(operator[0].split()) in _SETS:
        return _error(text, value, f"`{{` after `{operator[0]}`")
    if text[value : value + 1] in ("'", '"') and value < len(text):
        return _unclosed(text, value)
    return _error(text, value, f"a quoted string after `{operator[0]}`")


def _call_error(text: str, at: int, word: str) -> SelectorError:
    at = _skip(text, at)
    if word != "has":
        return _error(text, at, f"`)` after `{word}(`")
    label = _LABEL.match(text, at)
    if label is None:
        return _error(text, at, "a label after `has(`")
    return _error(text, _skip(text, label.end()), f"`)` after `has({_short(label[0])}`")


def _join_error(text: str, at: int, opened: list[int]) -> SelectorError:
    at = _skip(text, at)
    for operator in ("&&", "||"):
        if text.startswith(operator[0], at):
            return _error(text, at, f"`{operator}`")
    if opened:
        return _error(text, at, f"`&&`, `||` or a `)` for the `(` at character {opened[-1] + 1}")
    return _error(text, at, "`&&`, `||` or the end")


def _unclosed(text: str, at: int) -> SelectorError:
    return SelectorError(text, at, f"a closing `{text[at]}` for this quote")


def _error(text: str, at: int, expected: str) -> SelectorError:
    """Name the character that stands there when it is one that cannot be seen or looks like another."""
    found = text[at : at + 1]
    if found in ("\n", "\r"):
        expected += ", not a line break"
    elif found and not " " <= found <= "~":
        expected += f", not U+{ord(found):04X}"
    return SelectorError(text, at, expected)


def _skip(text: str, at: int) -> int:
    found = _SKIP.match(text, at)
    return found.end() if found else at


def _short(label: str) -> str:
    return label if len(label) <= 60 else f"{label[:60]}…"


def _label_limit() -> str:
    return f"a label of at most {MAX_LABEL} characters"
