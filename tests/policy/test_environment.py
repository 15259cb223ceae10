"""Which environment a namespace gets, and who may claim one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.policy.table import SETTINGS
from webhook.policy.environment import (
    GENERATED_SUFFIX,
    MAX_GENERATED_PREFIX,
    Assignment,
    assign,
    by_name,
    by_prefix,
    fits,
    may_claim,
    mode_of,
    strictest_mode,
)
from webhook.policy.objects import User
from webhook.policy.settings import Environment, Identities, Mode, Settings, Unmatched

OVERLAPPING = Settings(
    environments=(
        Environment("dev", ("dev-*", "shop")),
        Environment("test", ("*-test", "sh*")),
        Environment("all", ("dev-x*",)),
    )
)
UNASSIGNED = "is isolated from everything: the name {0} fits {1}; create it with label env=… ({2}) to change that"

FITS = [
    ("dev-*", "dev-1", True),
    ("dev-*", "dev-", True),
    ("dev-*", "dev", False),
    ("*-dev", "shop-dev", True),
    ("*-dev", "shop-devs", False),
    ("dev", "dev", True),
    ("dev", "devs", False),
    ("*", "", True),
    ("a*a", "a", False),
    ("a*a", "aa", True),
    ("a*b*c", "a-b-b-c", True),
    ("a*b*c", "a-c-b", False),
    ("a**c", "abc", True),
    ("*" + "a*" * 31, "a" * 62 + "b", True),
    ("*" + "a*" * 30 + "c", "a" * 62 + "b", False),
]


@pytest.mark.parametrize(("pattern", "name", "expected"), FITS)
def test_a_star_is_any_run(pattern: str, name: str, expected: bool) -> None:
    assert fits(pattern, name) is expected


@given(st.text("ab*", max_size=8), st.text("ab", max_size=10))
def test_a_pattern_fits_what_a_slow_reading_fits(pattern: str, name: str) -> None:
    def slow(pattern: str, name: str) -> bool:
        if not pattern:
            return not name
        if pattern[0] == "*":
            return slow(pattern[1:], name) or (bool(name) and slow(pattern, name[1:]))
        return bool(name) and pattern[0] == name[0] and slow(pattern[1:], name[1:])

    assert fits(pattern, name) == slow(pattern, name)


ASSIGNED: list[tuple[str, str, dict[str, str], Settings, Assignment]] = [
    ("by name", "development", {}, SETTINGS, Assignment("dev", "the name development fits environments.dev.names")),
    ("by pattern", "shop-test", {}, SETTINGS, Assignment("test", "the name shop-test fits environments.test.names")),
    ("by label", "shop", {"env": "dev"}, SETTINGS, Assignment("dev", "its label env says so")),
    (
        "by label against the name",
        "shop-prod",
        {"env": "dev"},
        SETTINGS,
        Assignment(
            "dev",
            "its label env says so",
            warnings=("namespace shop-prod claims environment dev by label although its name fits prod",),
        ),
    ),
    ("by label as by name", "shop-dev", {"env": "dev"}, SETTINGS, Assignment("dev", "its label env says so")),
    (
        "by nothing",
        "shop",
        {},
        SETTINGS,
        Assignment(
            "unassigned",
            "the name shop fits no environment",
            warnings=(f"namespace shop {UNASSIGNED.format('shop', 'no environment', 'dev, test, prod')}",),
        ),
    ),
    (
        "refused",
        "shop",
        {},
        replace(SETTINGS, unmatched=Unmatched.DENY),
        Assignment(
            None,
            "the name shop fits no environment",
            refusal="the name shop fits no environment, and settings refuse such namespaces",
        ),
    ),
    (
        "by several patterns",
        "dev-test",
        {},
        OVERLAPPING,
        Assignment(
            "unassigned",
            "the name dev-test fits several environments (dev, test)",
            warnings=(
                "namespace dev-test "
                + UNASSIGNED.format("dev-test", "several environments (dev, test)", "dev, test, all"),
            ),
        ),
    ),
    (
        "a name written out wins",
        "shop",
        {},
        OVERLAPPING,
        Assignment("dev", "the name shop fits environments.dev.names"),
    ),
    ("exempt", "kube-system", {"env": "dev"}, SETTINGS, Assignment(None, "the namespace is exempt")),
    (
        "almost exempt",
        "kube-system-dev",
        {},
        SETTINGS,
        Assignment("dev", "the name kube-system-dev fits environments.dev.names"),
    ),
]


@pytest.mark.parametrize(
    ("title", "name", "labels", "settings", "expected"), ASSIGNED, ids=[row[0] for row in ASSIGNED]
)
def test_assignment(title: str, name: str, labels: dict[str, str], settings: Settings, expected: Assignment) -> None:
    assert assign(name, labels, settings) == expected


GENERATED = [
    ("dev-", ("dev",)),
    ("dev-team-", ("dev",)),
    ("dev", ()),  # development would fit, devx7k2p does not
    ("shop-", ()),
    ("", ()),
]


@pytest.mark.parametrize(("prefix", "expected"), GENERATED)
def test_a_prefix_counts_when_every_name_made_of_it_fits(prefix: str, expected: tuple[str, ...]) -> None:
    assert by_prefix(prefix, SETTINGS) == expected


@given(st.text("abdevts-", max_size=62), st.text("bcdfghjklmnpqrstvwxz2456789", min_size=5, max_size=5))
def test_what_is_said_of_a_prefix_holds_of_the_name(prefix: str, suffix: str) -> None:
    """The API server cuts the prefix so that the name has 63 characters at most."""
    assert len(suffix) == GENERATED_SUFFIX
    name = prefix[:MAX_GENERATED_PREFIX] + suffix
    assert set(by_prefix(prefix, SETTINGS)) <= set(by_name(name, SETTINGS))


ADMINS = Identities(users=frozenset({"paul"}), groups=frozenset({"admins"}))
CLAIMS = Settings(
    environments=(
        Environment("dev"),
        Environment("prod", claimable_by=ADMINS),
        Environment("none", claimable_by=Identities()),
    )
)
CLAIM = [
    (User("dora"), "dev", True),
    (User("dora"), "unassigned", True),
    (User("dora"), "prod", False),
    (User("paul"), "prod", True),
    (User("dora", frozenset({"admins"})), "prod", True),
    (User("admins"), "prod", False),
    (User("dora", frozenset({"paul", "Admins", "admins "})), "prod", False),
    (User("", frozenset()), "none", False),
    (User("dora", frozenset({"system:masters"})), "none", False),
]


@pytest.mark.parametrize(("user", "environment", "expected"), CLAIM)
def test_a_claim_is_by_exact_name(user: User, environment: str, expected: bool) -> None:
    assert may_claim(user, environment, CLAIMS) is expected


def test_modes() -> None:
    settings = Settings(
        environments=(Environment("dev", mode=Mode.AUDIT), Environment("prod", mode=Mode.WARN)),
        unassigned_mode=Mode.AUDIT,
    )
    assert [mode_of(name, settings) for name in ("dev", "prod", "unassigned", "qa", None)] == [
        Mode.AUDIT,
        Mode.WARN,
        Mode.AUDIT,
        Mode.AUDIT,
        Mode.AUDIT,
    ]
    assert strictest_mode(settings) is Mode.WARN
    assert strictest_mode(SETTINGS) is Mode.ENFORCE
