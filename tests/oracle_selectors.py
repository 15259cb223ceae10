"""A second reading of Calico's selectors: slow, recursive, one character at a time; only tests use it."""

from collections.abc import Callable, Mapping

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-"
Test = Callable[[Mapping[str, str]], bool]
Token = tuple[str, str]


class NotASelectorError(Exception):
    """Raised when the oracle cannot read the text."""


def matches(text: str, labels: Mapping[str, str]) -> bool:
    return read(text)(labels)


def read(text: str) -> Test:
    tokens = split(text)
    if tokens == [("end", "")]:
        return lambda labels: True
    test, rest = read_or(tokens)
    if rest != [("end", "")]:
        raise NotASelectorError(text)
    return test


def split(text: str) -> list[Token]:
    tokens: list[Token] = []
    while True:
        text = text.lstrip(" \t")
        if text == "":
            return [*tokens, ("end", "")]
        token, text = first_token(text, after_label=bool(tokens) and tokens[-1][0] == "label")
        tokens.append(token)


def first_token(text: str, *, after_label: bool) -> tuple[Token, str]:
    for symbol in ("==", "!=", "&&", "||", "(", ")", "{", "}", ",", "!"):
        if text.startswith(symbol):
            return (symbol, ""), text[len(symbol) :]
    if text[0] in "\"'":
        value, quote, rest = text[1:].partition(text[0])
        if not quote:
            raise NotASelectorError(text)
        return ("string", value), rest
    if after_label:
        return operator_token(text)
    for word in ("has", "all", "global"):
        if text.startswith(word + "("):
            return call_token(word, text[len(word) + 1 :])
    label, rest = label_of(text)
    return ("label", label), rest


def operator_token(text: str) -> tuple[Token, str]:
    for words in (["contains"], ["starts", "with"], ["ends", "with"], ["not", "in"], ["in"]):
        rest = text
        for word in words:
            if not rest.startswith(word):
                break
            rest = rest[len(word) :].lstrip(" \t")
        else:
            return (" ".join(words), ""), rest
    raise NotASelectorError(text)


def call_token(word: str, text: str) -> tuple[Token, str]:
    text = text.lstrip(" \t")
    label = ""
    if word == "has":
        label, text = label_of(text)
        text = text.lstrip(" \t")
    if not text.startswith(")"):
        raise NotASelectorError(text)
    return (word, label), text[1:]


def label_of(text: str) -> tuple[str, str]:
    length = 0
    while length < len(text) and text[length] in LETTERS:
        length += 1
    if not 1 <= length <= 512:
        raise NotASelectorError(text)
    return text[:length], text[length:]


def read_or(tokens: list[Token]) -> tuple[Test, list[Token]]:
    left, tokens = read_and(tokens)
    if tokens[0][0] == "||":
        right, tokens = read_or(tokens[1:])
        return (lambda labels: left(labels) or right(labels)), tokens
    return left, tokens


def read_and(tokens: list[Token]) -> tuple[Test, list[Token]]:
    left, tokens = read_term(tokens)
    if tokens[0][0] == "&&":
        right, tokens = read_and(tokens[1:])
        return (lambda labels: left(labels) and right(labels)), tokens
    return left, tokens


def read_term(tokens: list[Token]) -> tuple[Test, list[Token]]:
    kind, word = tokens[0]
    if kind == "!":
        operand, tokens = read_term(tokens[1:])
        return (lambda labels: not operand(labels)), tokens
    if kind == "(":
        group, tokens = read_or(tokens[1:])
        if tokens[0][0] != ")":
            raise NotASelectorError(tokens)
        return group, tokens[1:]
    if kind in ("all", "global"):
        return (lambda labels: True), tokens[1:]
    if kind == "has":
        return (lambda labels: word in labels), tokens[1:]
    if kind == "label":
        return read_comparison(word, tokens[1:])
    raise NotASelectorError(tokens)


def read_comparison(label: str, tokens: list[Token]) -> tuple[Test, list[Token]]:
    operator, tokens = tokens[0][0], tokens[1:]
    if operator in ("in", "not in"):
        values, tokens = read_set(tokens)
        if operator == "in":
            return (lambda labels: label in labels and labels[label] in values), tokens
        return (lambda labels: label not in labels or labels[label] not in values), tokens
    if not tokens or tokens[0][0] != "string":
        raise NotASelectorError(tokens)
    value = tokens[0][1]
    present: dict[str, Callable[[str], bool]] = {
        "==": lambda found: found == value,
        "!=": lambda found: found != value,
        "contains": lambda found: found.find(value) >= 0,
        "starts with": lambda found: found[: len(value)] == value,
        "ends with": lambda found: value == "" or found[-len(value) :] == value,
    }
    if operator not in present:
        raise NotASelectorError(tokens)
    test = present[operator]
    return (lambda labels: test(labels[label]) if label in labels else operator == "!="), tokens[1:]


def read_set(tokens: list[Token]) -> tuple[list[str], list[Token]]:
    values = []
    if tokens[0][0] != "{":
        raise NotASelectorError(tokens)
    tokens = tokens[1:]
    while tokens[0][0] == "string":
        values.append(tokens[0][1])
        tokens = tokens[1:]
        if tokens[0][0] != ",":
            break
        tokens = tokens[1:]
    if tokens[0][0] != "}":
        raise NotASelectorError(tokens)
    return values, tokens[1:]
