"""What Calico misreads: each row names what is noted, where, and what Felix makes of the policy meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dice import V1, calico
from webhook.policy.objects import DefectKind, Policy
from webhook.policy.parse import parse_policy

NP, GNP = "NetworkPolicy", "GlobalNetworkPolicy"
K = DefectKind
INJECTION = "all()) || (all()"


def namespaced(**spec: Any) -> Any:
    return calico(NP, "p", "one", version=V1, types=["Ingress", "Egress"], **spec)


def wide(**spec: Any) -> Any:
    return calico(GNP, "p", version=V1, types=["Ingress", "Egress"], **spec)


def source(entity: Any, **rule: Any) -> Any:
    return namespaced(ingress=[{"action": "Allow", **rule, "source": entity}])


def from_anywhere(entity: Any, **rule: Any) -> Any:
    return wide(ingress=[{"action": "Allow", **rule, "source": entity}])


IN = "spec.ingress[0]"

SELECTORS = [
    # id (with the number of the misreading), manifest, defects, ignored, subject
    (
        "1 namespaced selector that closes the bracket: the whole cluster",
        namespaced(selector=INJECTION),
        [(K.SELECTOR_SYNTAX, "spec.selector")],
        False,
        '(all() || (all() && projectcalico.org/namespace == "one"))',
    ),
    (
        "1 global namespaceSelector that does not parse: left out",
        wide(selector="a == 'b'", namespaceSelector=INJECTION),
        [(K.SELECTOR_SYNTAX, "spec.namespaceSelector")],
        False,
        'a == "b"',
    ),
    (
        "1 left out, but all() beside it is still replaced",
        wide(selector="all()", namespaceSelector="env =="),
        [(K.SELECTOR_SYNTAX, "spec.namespaceSelector")],
        False,
        "has(projectcalico.org/namespace)",
    ),
    (
        "1 serviceAccountSelector of a namespaced policy: left out",
        namespaced(serviceAccountSelector="a = 'b'"),
        [(K.SELECTOR_SYNTAX, "spec.serviceAccountSelector")],
        False,
        'projectcalico.org/namespace == "one"',
    ),
    (
        "1 serviceAccountSelector of a global policy: left out",
        wide(serviceAccountSelector="a = 'b'"),
        [(K.SELECTOR_SYNTAX, "spec.serviceAccountSelector")],
        False,
        "all()",
    ),
    (
        "a selector that does not parse at all: the policy is missing",
        namespaced(selector="app =="),
        [(K.SELECTOR_SYNTAX, "spec.selector")],
        True,
        "all()",
    ),
    (
        "8 blank selector of a namespaced policy: missing",
        namespaced(selector=" "),
        [(K.SELECTOR_BLANK, "spec.selector")],
        True,
        "all()",
    ),
    (
        "8 blank selector of a global policy: all()",
        wide(selector="\t"),
        [(K.SELECTOR_BLANK, "spec.selector")],
        False,
        "all()",
    ),
    (
        "8 blank namespaceSelector: all()",
        wide(namespaceSelector=" "),
        [(K.SELECTOR_BLANK, "spec.namespaceSelector")],
        False,
        "has(projectcalico.org/namespace)",
    ),
    (
        "8 blank selector beside a namespaceSelector: missing",
        wide(selector=" ", namespaceSelector="all()"),
        [(K.SELECTOR_BLANK, "spec.selector")],
        True,
        "all()",
    ),
    (
        "11 all() in a literal of a namespaced policy: not replaced, but refused",
        namespaced(selector="a == 'all()'"),
        [(K.SELECTOR_REWRITTEN, "spec.selector")],
        False,
        '(a == "all()" && projectcalico.org/namespace == "one")',
    ),
    (
        "11 all() in a literal beside a namespaceSelector: replaced",
        wide(selector="a == 'all()'", namespaceSelector="has(b)"),
        [(K.SELECTOR_REWRITTEN, "spec.selector")],
        False,
        '(a == "has(projectcalico.org/namespace)" && has(pcns.b))',
    ),
    (
        "global() in a selector is true of everything",
        namespaced(selector="global()"),
        [(K.SELECTOR_GLOBAL, "spec.selector")],
        False,
        '(global() && projectcalico.org/namespace == "one")',
    ),
    (
        "global() in a policy's namespaceSelector",
        wide(namespaceSelector="global()"),
        [(K.SELECTOR_GLOBAL, "spec.namespaceSelector")],
        False,
        "global()",
    ),
    (
        "a label too long for its prefix: missing",
        wide(namespaceSelector=f"has({'a' * 510})"),
        [(K.SELECTOR_SYNTAX, "spec.namespaceSelector")],
        True,
        "all()",
    ),
]

PEERS = [
    # id, manifest, defects, ignored, the peers' selector
    (
        "a peer selector that does not parse: missing",
        source({"selector": "a"}),
        [(K.SELECTOR_SYNTAX, f"{IN}.source.selector")],
        True,
        None,
    ),
    (
        "a peer selector that closes the bracket: missing too, its original is checked",
        source({"selector": INJECTION}),
        [(K.SELECTOR_SYNTAX, f"{IN}.source.selector")],
        True,
        "any",
    ),
    (
        "a peer namespaceSelector that does not parse: missing",
        source({"namespaceSelector": "("}),
        [(K.SELECTOR_SYNTAX, f"{IN}.source.namespaceSelector")],
        True,
        "any",
    ),
    (
        "a notSelector that does not parse: missing",
        source({"notSelector": "!"}),
        [(K.SELECTOR_SYNTAX, f"{IN}.source.notSelector")],
        True,
        "any",
    ),
    (
        "a serviceAccounts selector that does not parse: missing",
        source({"serviceAccounts": {"selector": "x"}}),
        [(K.SELECTOR_SYNTAX, f"{IN}.source.serviceAccounts.selector")],
        True,
        "any",
    ),
    (
        "2 a name with a quote in it: any source",
        source({"serviceAccounts": {"names": ["a'"]}}),
        [(K.SERVICE_ACCOUNT_NAME, f"{IN}.source.serviceAccounts.names[0]")],
        False,
        None,
    ),
    (
        "2 with the account selector beside it",
        source({"serviceAccounts": {"names": ["a'"], "selector": "x == 'y'"}}),
        [(K.SERVICE_ACCOUNT_NAME, f"{IN}.source.serviceAccounts.names[0]")],
        False,
        None,
    ),
    (
        "2 but not with the peer selector beside it",
        source({"selector": "x == 'y'", "serviceAccounts": {"names": ["a'"]}}),
        [(K.SERVICE_ACCOUNT_NAME, f"{IN}.source.serviceAccounts.names[0]")],
        False,
        '(projectcalico.org/namespace == "one" && x == "y")',
    ),
    (
        "2 a name that closes the quote and goes on: every pod in scope",
        source({"serviceAccounts": {"names": ["a'} || has(b) || c in {'d"]}}),
        [(K.SERVICE_ACCOUNT_NAME, f"{IN}.source.serviceAccounts.names[0]")],
        False,
        '(projectcalico.org/namespace == "one" && (projectcalico.org/serviceaccount in {"a"} || has(b) || c in {"d"}))',
    ),
    (
        "2 a name in capitals",
        source({"serviceAccounts": {"names": ["ok", "Robot"]}}),
        [(K.SERVICE_ACCOUNT_NAME, f"{IN}.source.serviceAccounts.names[1]")],
        False,
        '(projectcalico.org/namespace == "one" && projectcalico.org/serviceaccount in {"Robot", "ok"})',
    ),
    (
        "3 a blank notSelector beside a clause",
        source({"selector": "has(a)", "notSelector": " "}),
        [(K.SELECTOR_BLANK, f"{IN}.source.notSelector")],
        True,
        None,
    ),
    (
        "3 a blank notSelector alone in a namespaced policy has a clause beside it",
        source({"notSelector": " "}),
        [(K.SELECTOR_BLANK, f"{IN}.source.notSelector")],
        True,
        None,
    ),
    (
        "3 a blank selector in a namespaced policy",
        source({"selector": " "}),
        [(K.SELECTOR_BLANK, f"{IN}.source.selector")],
        True,
        None,
    ),
    (
        "3 a blank selector alone in a global policy is every known endpoint",
        from_anywhere({"selector": " "}),
        [(K.SELECTOR_BLANK, f"{IN}.source.selector")],
        False,
        "all()",
    ),
    (
        "3 a blank namespaceSelector is all()",
        source({"namespaceSelector": " "}),
        [(K.SELECTOR_BLANK, f"{IN}.source.namespaceSelector")],
        False,
        "has(projectcalico.org/namespace)",
    ),
    (
        "global() with company",
        source({"namespaceSelector": "global() || env == 'x'"}),
        [(K.SELECTOR_GLOBAL, f"{IN}.source.namespaceSelector")],
        False,
        '(!has(projectcalico.org/namespace) || pcns.env == "x")',
    ),
    (
        "global() spelled with a space is not the word",
        source({"namespaceSelector": "global( )"}),
        [(K.SELECTOR_GLOBAL, f"{IN}.source.namespaceSelector")],
        False,
        "!has(projectcalico.org/namespace)",
    ),
    (
        "11 a literal in a namespaceSelector is rewritten",
        source({"namespaceSelector": "env == 'global()'"}),
        [(K.SELECTOR_REWRITTEN, f"{IN}.source.namespaceSelector")],
        False,
        'pcns.env == "!has(projectcalico.org/namespace)"',
    ),
    (
        "a label too long for its prefix: missing",
        source({"namespaceSelector": f"has({'a' * 510})"}),
        [(K.SELECTOR_SYNTAX, f"{IN}.source.namespaceSelector")],
        True,
        None,
    ),
]


def found(policy: Policy) -> tuple[list[tuple[DefectKind, str]], bool]:
    return [(defect.kind, defect.path) for defect in policy.defects], policy.ignored


@pytest.mark.parametrize(
    ("manifest", "defects", "ignored", "subject"), [c[1:] for c in SELECTORS], ids=[c[0] for c in SELECTORS]
)
def test_selectors_of_a_policy(manifest: Any, defects: Any, ignored: bool, subject: str) -> None:
    policy = parse_policy(manifest)
    assert (*found(policy), str(policy.subject)) == (defects, ignored, subject)


@pytest.mark.parametrize(
    ("manifest", "defects", "ignored", "selector"), [c[1:] for c in PEERS], ids=[c[0] for c in PEERS]
)
def test_selectors_of_a_peer(manifest: Any, defects: Any, ignored: bool, selector: str | None) -> None:
    policy = parse_policy(manifest)
    assert found(policy) == (defects, ignored)
    if selector != "any":  # nothing follows for a policy that is missing
        peer = policy.ingress[0].source.selector
        assert (None if peer is None else str(peer)) == selector
