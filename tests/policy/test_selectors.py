"""The selector language: what is read, what it matches, how it is printed, and where an error stands."""

import time
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import oracle_selectors as oracle
from webhook.policy import selectors as s
from webhook.policy.selectors import SelectorError, parse

READ = [
    ("", "all()"),
    (" \t ", "all()"),
    ("all()", "all()"),
    ("all( \t)", "all()"),
    ("global( )", "global()"),
    ("has( app )", "has(app)"),
    ("has(has)", "has(has)"),
    ("a=='b'", 'a == "b"'),
    ("a == 'say \"b\"'", "a == 'say \"b\"'"),
    ('a == "it\'s"', 'a == "it\'s"'),
    ("a == 'two\nlines'", 'a == "two\nlines"'),
    ("a == 'ü'", 'a == "ü"'),
    ("-.a/_9 != ''", '-.a/_9 != ""'),
    ("a contains'b'", 'a contains "b"'),
    ("a starts \t with 'b'", 'a starts with "b"'),
    ("a startswith 'b'", 'a starts with "b"'),
    ("a endswith'b'", 'a ends with "b"'),
    ("a in{}", "a in {}"),
    ("a in {'c', \"b\",'c',}", 'a in {"b", "c"}'),
    ("a not\tin {'b'}", 'a not in {"b"}'),
    ("a notin{'b'}", 'a not in {"b"}'),
    ("in in {'in'}", 'in in {"in"}'),
    ("contains contains 'contains'", 'contains contains "contains"'),
    ("not notin {'not'}", 'not not in {"not"}'),
    ("has == 'all'", 'has == "all"'),
    ("all in {'global'} && global != 'x'", '(all in {"global"} && global != "x")'),
    ("!a == 'b'", '!a == "b"'),
    ("!!a == 'b'", 'a == "b"'),
    ("! ! !has(a)", "!has(a)"),
    ("!(!has(a))", "!!has(a)"),
    ("((all()))", "all()"),
    ("has(a)||has(b)&&has(c)", "(has(a) || (has(b) && has(c)))"),
    ("(has(a)||has(b))&&has(c)", "((has(a) || has(b)) && has(c))"),
    ("has(a)&&has(b)&&has(c)", "(has(a) && has(b) && has(c))"),
    ("(has(a)&&has(b))&&has(c)", "((has(a) && has(b)) && has(c))"),
    ("a" * 512 + " == 'b'", "a" * 512 + ' == "b"'),
]


@pytest.mark.parametrize(("text", "printed"), READ, ids=[text[:40] or "empty" for text, _ in READ])
def test_a_selector_is_read_and_printed_as_calico_prints_it(text: str, printed: str) -> None:
    assert str(parse(text)) == printed


OPERAND = "a label, `has(`, `all()`, `!` or `(`"
REFUSED = [
    ("app", 3, "an operator after label `app`"),
    ("app ==", 6, "a quoted string after `==`"),
    ("app == b", 7, "a quoted string after `==`"),
    ("app = 'a'", 4, "`==` after label `app`"),
    ("app == 'a' garbage", 11, "`&&`, `||` or the end"),
    ("app == {'a'}", 7, "a quoted string after `==`"),
    ("app != 'a", 7, "a closing `'` for this quote"),
    ('app contains "a', 13, 'a closing `"` for this quote'),
    ("app contain 'a'", 4, "an operator after label `app`"),
    ("app containsa 'a'", 4, "an operator after label `app`"),
    ("app starts 'a'", 4, "an operator after label `app`"),
    ("app ends with a", 14, "a quoted string after `ends with`"),
    ("app not 'a'", 4, "an operator after label `app`"),
    ("app in 'a'", 7, "`{` after `in`"),
    ("app notin", 9, "`{` after `notin`"),
    ("app in {", 8, "a quoted string or `}`"),
    ("app in {,}", 8, "a quoted string or `}`"),
    ("app in {'a',,}", 12, "a quoted string or `}`"),
    ("app in {'a' 'b'}", 12, "`,` or `}`"),
    ("app in {'a', 'b}", 13, "a closing `'` for this quote"),
    ("app in {'a'", 11, "`,` or `}`"),
    ("appin {}", 6, "an operator after label `appin`"),
    ("'app' == 'a'", 0, OPERAND),
    ("()", 1, OPERAND),
    (")", 0, OPERAND),
    ("!", 1, OPERAND),
    ("!= 'a'", 0, OPERAND),
    ("has(a) &&", 9, OPERAND),
    ("has(a) || && has(b)", 10, OPERAND),
    ("has(a) & has(b)", 7, "`&&`"),
    ("has(a) | has(b)", 7, "`||`"),
    ("has(a) has(b)", 7, "`&&`, `||` or the end"),
    ("has(a) == 'b'", 7, "`&&`, `||` or the end"),
    ("has (a)", 3, "`(` directly after `has`"),
    ("all ()", 3, "`(` directly after `all`"),
    ("global\t()", 6, "`(` directly after `global`"),
    ("all(a)", 4, "`)` after `all(`"),
    ("global(", 7, "`)` after `global(`"),
    ("has()", 4, "a label after `has(`"),
    ("has('a')", 4, "a label after `has(`"),
    ("has(a b)", 6, "`)` after `has(a`"),
    ("(has(a)", 7, "`&&`, `||` or a `)` for the `(` at character 1"),
    ("has(a) && ((has(b)) has(c))", 20, "`&&`, `||` or a `)` for the `(` at character 11"),
    ("has(a))", 6, "`&&`, `||` or the end"),
    ("all()) || (all()", 5, "`&&`, `||` or the end"),
    ("a\n== 'b'", 1, "an operator after label `a`, not a line break"),
    ("has(a)\r&& has(b)", 6, "`&&`, `||` or the end, not a line break"),
    ("\nall()", 0, OPERAND + ", not a line break"),
    ("a ==\u00a0'b'", 4, "a quoted string after `==`, not U+00A0"),
    ("a == “b”", 5, "a quoted string after `==`, not U+201C"),
    ("ä == 'b'", 0, OPERAND + ", not U+00E4"),
    ("\0", 0, OPERAND + ", not U+0000"),
    ("a" * 513 + " == 'b'", 0, "a label of at most 512 characters"),
    ("has(a) && has(" + "b" * 513 + ")", 14, "a label of at most 512 characters"),
    ("b" * 513, 0, "a label of at most 512 characters"),
    ("b" * 70, 70, "an operator after label `" + "b" * 60 + "…`"),
]


@pytest.mark.parametrize(("text", "offset", "expected"), REFUSED, ids=[text[:30] for text, _, _ in REFUSED])
def test_an_error_says_where_and_what_was_expected(text: str, offset: int, expected: str) -> None:
    with pytest.raises(SelectorError) as caught:
        parse(text)
    error = caught.value
    assert (error.text, error.offset, error.expected) == (text, offset, expected)
    assert str(error) == f"at character {offset + 1}: expected {expected}"
    assert len(str(error).splitlines()) == 1


CARETS = [
    ("app ==", "app ==\n      ^"),
    ("a\n== 'b'", "a\ufffd== 'b'\n ^"),
    ("a == '" + "x" * 300, "a == '" + "x" * 94 + "…\n     ^"),
    ("a == '" + "x" * 300 + "' !", "…" + "x" * 58 + "' !\n" + " " * 61 + "^"),
]


@pytest.mark.parametrize(("text", "caret"), CARETS)
def test_the_caret_stands_below_the_error(text: str, caret: str) -> None:
    with pytest.raises(SelectorError) as caught:
        parse(text)
    assert caught.value.caret() == caret


def test_every_refused_text_is_refused_by_the_oracle_too() -> None:
    for text, _, _ in REFUSED:
        with pytest.raises(oracle.NotASelectorError):
            oracle.read(text)


BLANK = [("", False), (" ", True), ("\t \t", True), ("\n", False), ("all()", False)]


@pytest.mark.parametrize(("text", "blank"), BLANK)
def test_blank_is_not_empty(text: str, *, blank: bool) -> None:
    assert s.is_blank(text) is blank


MATCHES = [
    ("a == 'x'", {"a": "x"}, True),
    ("a == 'x'", {"a": "X"}, False),
    ("a == 'x'", {}, False),
    ("a == ''", {"a": ""}, True),
    ("a == ''", {}, False),
    ("a != 'x'", {"a": "x"}, False),
    ("a != 'x'", {"a": "y"}, True),
    ("a != 'x'", {}, True),
    ("a in {'x', 'y'}", {"a": "y"}, True),
    ("a in {'x', 'y'}", {}, False),
    ("a in {}", {"a": "x"}, False),
    ("a not in {'x'}", {"a": "x"}, False),
    ("a not in {'x'}", {}, True),
    ("a not in {}", {"a": "x"}, True),
    ("a contains 'x'", {"a": "axb"}, True),
    ("a contains 'x'", {}, False),
    ("a contains ''", {"a": ""}, True),
    ("a contains ''", {}, False),
    ("a starts with 'x'", {"a": "xy"}, True),
    ("a starts with 'x'", {"a": "yx"}, False),
    ("a starts with ''", {}, False),
    ("a ends with 'x'", {"a": "yx"}, True),
    ("a ends with 'x'", {"a": "xy"}, False),
    ("a ends with ''", {"a": "y"}, True),
    ("has(a)", {"a": ""}, True),
    ("has(a)", {"b": ""}, False),
    ("!has(a)", {}, True),
    ("!a == 'x'", {}, True),
    ("!a != 'x'", {}, False),
    ("all()", {}, True),
    ("global()", {"a": "x"}, True),
    ("!all()", {}, False),
    ("has(a) || has(b) && has(c)", {"a": ""}, True),
    ("(has(a) || has(b)) && has(c)", {"a": ""}, False),
    ("!(has(a) && has(b)) && has(c)", {"b": "", "c": ""}, True),
]


@pytest.mark.parametrize(("text", "labels", "expected"), MATCHES, ids=[f"{t} on {m}" for t, m, _ in MATCHES])
def test_a_selector_matches_as_felix_matches(text: str, labels: Mapping[str, str], *, expected: bool) -> None:
    assert parse(text).matches(labels) is expected
    assert oracle.matches(text, labels) is expected


KEYS = st.sampled_from(["a", "b", "in", "has", "env", "k8s.io/x-_"])
VALUES = st.sampled_from(["", "x", "xy", "yx", "xyx", "all()", "it's", 'say "x"', "\n"])
SETS = st.frozensets(VALUES, max_size=3)
LEAVES: st.SearchStrategy[s.Selector] = st.one_of(
    st.just(s.All()),
    st.just(s.Global()),
    st.builds(s.Has, KEYS),
    *(st.builds(kind, KEYS, VALUES) for kind in (s.Equal, s.NotEqual, s.Contains, s.StartsWith, s.EndsWith)),
    *(st.builds(kind, KEYS, SETS) for kind in (s.In, s.NotIn)),
)


def _grown(children: st.SearchStrategy[s.Selector]) -> st.SearchStrategy[s.Selector]:
    some = st.lists(children, min_size=2, max_size=3).map(tuple)
    return st.builds(s.Not, children) | st.builds(s.And, some) | st.builds(s.Or, some)


SELECTORS = st.recursive(LEAVES, _grown, max_leaves=12)
LABELS = st.dictionaries(KEYS, VALUES)
# Texts that are nearly selectors: whole tokens, in any order, with and without blanks.
WORDS = "a env in has all global has(a) all() global() has( contains starts with startswith not notin"
SIGNS = "( ) { } , ! == != && || = & | 'x' \"y\" '' ' {'x'} {'y',}"
TEXTS = st.lists(st.sampled_from([*WORDS.split(), *SIGNS.split(), " ", " ", "\t", "\n"])).map("".join)


@settings(deadline=None)
@given(SELECTORS, LABELS)
def test_printing_and_reading_again_gives_the_normal_form(selector: s.Selector, labels: Mapping[str, str]) -> None:
    again = parse(str(selector))
    assert again == s.normalise(selector)
    assert hash(again) == hash(s.normalise(selector))
    assert str(parse(str(again))) == str(again)
    assert again.matches(labels) is selector.matches(labels)


@settings(deadline=None)
@given(SELECTORS, LABELS)
def test_matching_agrees_with_the_oracle(selector: s.Selector, labels: Mapping[str, str]) -> None:
    assert selector.matches(labels) is oracle.matches(str(selector), labels)


@settings(deadline=None)
@given(TEXTS, LABELS)
def test_reading_agrees_with_the_oracle(text: str, labels: Mapping[str, str]) -> None:
    try:
        expected = oracle.matches(text, labels)
    except oracle.NotASelectorError:
        with pytest.raises(SelectorError):
            parse(text)
    else:
        assert parse(text).matches(labels) is expected


def error_of(text: str) -> SelectorError | None:
    try:
        parse(text)
    except SelectorError as error:
        return error
    return None


@settings(deadline=None)
@given(st.text() | TEXTS)
def test_no_text_does_worse_than_a_selector_error_of_one_line(text: str) -> None:
    if error := error_of(text):
        assert 0 <= error.offset <= len(text)
        assert len(str(error).splitlines()) == 1
        assert [line.isprintable() for line in error.caret().split("\n")] == [True, True]


@settings(deadline=None)
@given(SELECTORS, SELECTORS, LABELS)
def test_boolean_laws_hold(one: s.Selector, other: s.Selector, labels: Mapping[str, str]) -> None:
    left, right = one.matches(labels), other.matches(labels)
    assert s.And((one, other)).matches(labels) is (left and right)
    assert s.Or((one, other)).matches(labels) is (left or right)
    assert s.Not(s.And((one, other))).matches(labels) is s.Or((s.Not(one), s.Not(other))).matches(labels)
    assert s.conjunction(one, other, one).matches(labels) is (left and right)
    assert s.disjunction(one, other, one).matches(labels) is (left or right)
    assert (one == other) is (str(one) == str(other))


@settings(deadline=None)
@given(SELECTORS, LABELS)
def test_a_prefix_on_the_selector_and_on_the_labels_changes_nothing(
    selector: s.Selector, labels: Mapping[str, str]
) -> None:
    longer = s.prefixed(selector, "pcns.")
    assert s.keys(longer) == {f"pcns.{key}" for key in s.keys(selector)}
    assert longer.matches({f"pcns.{key}": value for key, value in labels.items()}) is selector.matches(labels)


def test_a_prefix_may_not_make_a_label_too_long() -> None:
    with pytest.raises(SelectorError) as caught:
        s.prefixed(parse("all() && has(" + "a" * 508 + ")"), "pcns.")
    assert caught.value.expected == "a label of at most 507 characters"


JOINED = [
    ((), "all()"),
    (("has(a)",), "has(a)"),
    (("all()", "has(a)", "all()"), "has(a)"),
    (("has(a)", "has(b) && has(a)"), "(has(a) && has(b))"),
    (("has(a)", "has(b) || has(c)"), "(has(a) && (has(b) || has(c)))"),
]


@pytest.mark.parametrize(("texts", "printed"), JOINED)
def test_a_conjunction_is_flat_and_says_nothing_twice(texts: tuple[str, ...], printed: str) -> None:
    assert str(s.conjunction(*map(parse, texts))) == printed


NS = "has(projectcalico.org/namespace)"
SA = "has(projectcalico.org/serviceaccount)"
PEERS = [
    ("env == 'x'", 'pcns.env == "x"'),
    ("all()", NS),
    ("global()", f"!{NS}"),
    ("!all()", f"!{NS}"),
    ("env != 'x' || all()", f'(pcns.env != "x" || {NS})'),
    ("", NS),
]


@pytest.mark.parametrize(("text", "printed"), PEERS)
def test_a_rules_namespace_selector_becomes_a_clause_on_its_peers(text: str, printed: str) -> None:
    assert str(s.peer_namespaces(parse(text))) == printed


ACCOUNTS = [
    (None, [], "all()"),
    ("role == 'x'", [], 'pcsa.role == "x"'),
    (None, ["b", "a"], 'projectcalico.org/serviceaccount in {"a", "b"}'),
    ("has(r)", ["a"], '(has(pcsa.r) && projectcalico.org/serviceaccount in {"a"})'),
]


@pytest.mark.parametrize(("text", "names", "printed"), ACCOUNTS)
def test_a_rules_service_accounts_become_a_clause_on_its_peers(
    text: str | None, names: list[str], printed: str
) -> None:
    selector = None if text is None else parse(text)
    assert str(s.peer_service_accounts(selector, frozenset(names))) == printed


GLOBAL_SUBJECTS = [
    (None, None, None, "all()"),
    ("all()", None, None, "all()"),
    (None, "env != 'x'", None, 'pcns.env != "x"'),
    ("all()", "env != 'x'", None, f'({NS} && pcns.env != "x")'),
    ("has(a)", "all()", None, f"(has(a) && {NS})"),
    (None, "global()", None, "global()"),
    (None, None, "all()", SA),
    ("all()", None, "has(r)", f"({SA} && has(pcsa.r))"),
    ("all()", "all()", "all()", f"(({NS} && {NS}) && {SA})"),
]


@pytest.mark.parametrize(("selector", "namespaces", "accounts", "printed"), GLOBAL_SUBJECTS)
def test_a_global_policys_subject_is_joined_as_calico_joins_it(
    selector: str | None, namespaces: str | None, accounts: str | None, printed: str
) -> None:
    parsed = [None if text is None else parse(text) for text in (selector, namespaces, accounts)]
    assert str(s.global_policy_subject(*parsed)) == printed


def test_a_namespaced_policys_subject_never_leaves_its_namespace() -> None:
    subject = s.namespaced_policy_subject("shop", parse("all() || has(a)"), parse("all()"))
    assert subject.matches({"projectcalico.org/namespace": "shop"})
    assert not subject.matches({"projectcalico.org/namespace": "other", "a": ""})
    assert str(s.namespaced_policy_subject("shop", None, None)) == 'projectcalico.org/namespace == "shop"'


REWRITTEN = [
    ("a == 'all()'", True),
    ("a not in {'x', 'global()'}", True),
    ("!(has(b) || a ends with 'xall()x')", True),
    ("all() && global()", False),
    ("a == 'all' && b == 'global('", False),
]


@pytest.mark.parametrize(("text", "expected"), REWRITTEN)
def test_literals_that_calico_would_rewrite_are_found(text: str, *, expected: bool) -> None:
    assert s.literal_mentions_rewritten_text(parse(text)) is expected


UNSPEAKABLE = [
    lambda: s.Has(""),
    lambda: s.Has("a b"),
    lambda: s.Equal("a'", "x"),
    lambda: s.Equal("a", "both ' and \""),
    lambda: s.In("a", frozenset({"ok", "both ' and \""})),
    lambda: s.And((s.All(),)),
    lambda: s.Or(()),
]


@pytest.mark.parametrize("build", UNSPEAKABLE)
def test_what_the_language_cannot_say_cannot_be_built(build: object) -> None:
    with pytest.raises(ValueError, match=r"label name|both kinds of quotes|needs two"):
        build()  # type: ignore[operator]


REFUSED_AT_LENGTH = {
    "open parentheses": ("(" * 100_000, 100_000),
    "negations": ("!" * 100_000, 100_000),
    "a long label": ("a" * 100_000, 0),
    "an unclosed literal": ("a == '" + "x" * 100_000, 5),
    "unclosed sets": ("a in {" * 20_000, 6),
    "blanks inside": ("a not" + " " * 100_000 + "at", 2),
    "a long or without an end": ("a == 'x' || " * 10_000, 120_000),
    "a set without an end": ("a in {" + "'x'," * 25_000, 100_006),
}
READ_AT_LENGTH = {
    "groups": "(" * 50_000 + "all()" + ")" * 50_000,
    "negations": "!" * 100_001 + "has(a)",
    "negated groups": "!(" * 33_333 + "has(a)" + ")" * 33_333,
    "mixed groups": "!(has(a)||has(b)&&" * 5_000 + "has(c)" + ")" * 5_000,
    "a long literal": "a == '" + "x" * 100_000 + "'",
    "a wide set": "a in {" + ",".join(f"'{n}'" for n in range(15_000)) + "}",
    "blanks": " " * 100_000,
    "a long or": " || ".join(["a == 'x'"] * 10_000),
}
SECONDS = 3  # work that grows with the square of 100,000 characters takes minutes


@pytest.mark.parametrize(("text", "offset"), REFUSED_AT_LENGTH.values(), ids=REFUSED_AT_LENGTH)
def test_hostile_texts_are_refused_in_linear_time(text: str, offset: int) -> None:
    started = time.process_time()
    error = error_of(text)
    assert error is not None
    assert error.offset == offset
    assert len(error.caret()) < 200
    assert time.process_time() - started < SECONDS


@pytest.mark.parametrize("text", READ_AT_LENGTH.values(), ids=READ_AT_LENGTH)
def test_hostile_selectors_are_handled_in_linear_time_without_recursion(text: str) -> None:
    started = time.process_time()
    selector, twin = parse(text), parse(text + " ")
    assert selector == twin
    assert hash(selector) == hash(twin)
    assert selector.matches({"a": "x"}) is twin.matches({"a": "x"})
    longer = s.prefixed(selector, "p.")
    assert parse(str(longer)) == s.normalise(longer)
    assert s.keys(s.conjunction(selector, s.Not(twin))) == s.keys(selector)
    assert time.process_time() - started < SECONDS
