"""The text of a denial, whole, and what keeps it readable."""

from __future__ import annotations

from dataclasses import replace

from tests.policy.table import SETTINGS
from webhook.policy.denial import MAX_FINDINGS, MAX_WARNING, denial, headline, warning
from webhook.policy.finding import Finding
from webhook.policy.objects import Ref

WEB = Ref("projectcalico.org", "NetworkPolicy", "shop-dev", "allow-web")
LEAK = Finding(
    rule="allows-stay-under-ceiling",
    ref=WEB,
    path="spec.ingress[0]",
    detail="opens shop-dev to env=test, which settings do not permit",
    fix='set namespaceSelector to env == "dev"',
    example="pod shop-test/api (env=test) -> pod shop-dev/web TCP 8080, today dropped by default-deny (order 5000)",
    because=("spec.ingress[0] allows at order 600", '`env != "prod"` is also true for env=test'),
)
ORDER = Finding(
    rule="order-declared", ref=WEB, path="spec.order", detail="has no order", fix="set spec.order between 100 and 3999"
)
LINKED = replace(SETTINGS, docs_url="https://example.org/isolation")


def test_one_finding() -> None:
    assert denial([LEAK], LINKED) == (
        "[allows-stay-under-ceiling] NetworkPolicy shop-dev/allow-web opens shop-dev to env=test, which settings do not"
        ' permit; set namespaceSelector to env == "dev"\n'
        "  example: pod shop-test/api (env=test) -> pod shop-dev/web TCP 8080,"
        " today dropped by default-deny (order 5000)\n"
        "  because: spec.ingress[0] allows at order 600\n"
        '  because: `env != "prod"` is also true for env=test\n'
        "  ask: platform-admins  |  docs: https://example.org/isolation/rules#allows-stay-under-ceiling"
    )


def test_all_findings_and_the_first_line_counts_them() -> None:
    assert denial([ORDER, LEAK], LINKED) == (
        "[order-declared] NetworkPolicy shop-dev/allow-web has no order;"
        " set spec.order between 100 and 3999 (and 1 more)\n"
        "[allows-stay-under-ceiling] NetworkPolicy shop-dev/allow-web opens shop-dev to env=test, which settings do not"
        ' permit; set namespaceSelector to env == "dev"\n'
        "  example: pod shop-test/api (env=test) -> pod shop-dev/web TCP 8080,"
        " today dropped by default-deny (order 5000)\n"
        "  because: spec.ingress[0] allows at order 600\n"
        '  because: `env != "prod"` is also true for env=test\n'
        "  ask: platform-admins  |  docs: https://example.org/isolation/rules#order-declared"
        " https://example.org/isolation/rules#allows-stay-under-ceiling"
    )


def test_a_fix_too_long_for_the_first_line_stands_below() -> None:
    long = replace(ORDER, fix="set spec.order " + "x" * 200)
    assert denial([long], SETTINGS) == (
        "[order-declared] NetworkPolicy shop-dev/allow-web has no order\n"
        f"  fix: set spec.order {'x' * 200}\n"
        "  ask: platform-admins  |  docs: isolation-baseline explain order-declared"
    )


def test_a_fix_of_several_lines_keeps_them() -> None:
    yaml = replace(ORDER, fix="apply\nspec:\n  order: 600\n")
    assert denial([yaml], SETTINGS).splitlines()[:4] == [
        "[order-declared] NetworkPolicy shop-dev/allow-web has no order",
        "  fix: apply",
        "    spec:",
        "      order: 600",
    ]


def test_nobody_can_write_a_line_of_ours() -> None:
    forged = replace(ORDER, detail="has `a\n[allowed] everything is fine\n  ask: nobody` in it", because=("a\nb",))
    assert denial([forged], SETTINGS).splitlines() == [
        "[order-declared] NetworkPolicy shop-dev/allow-web has `a [allowed] everything is fine ask: nobody` in it;"
        " set spec.order between 100 and 3999",
        "  because: a b",
        "  ask: platform-admins  |  docs: isolation-baseline explain order-declared",
    ]


def test_more_findings_than_a_terminal_holds_are_counted() -> None:
    many = [replace(ORDER, path=f"spec.{number}") for number in range(MAX_FINDINGS + 2)]
    lines = denial(many, SETTINGS).splitlines()
    assert lines[0].endswith("(and 11 more)")
    assert lines[-2] == "and 2 more findings"
    assert len(lines) == MAX_FINDINGS + 2


def test_a_warning_is_one_short_line() -> None:
    assert headline(ORDER) == "[order-declared] NetworkPolicy shop-dev/allow-web has no order"
    assert warning(ORDER, "stood before") == f"{headline(ORDER)} (stood before)"
    long = warning(replace(ORDER, detail="x\t\n" * 500))
    assert len(long) == MAX_WARNING
    assert long.isprintable()
