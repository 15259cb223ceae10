"""What becomes of manifests: the canonical form, the defaults of each way in, and refusal of what has no structure."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.dice import KUBERNETES, V1, V3, calico
from webhook.policy.objects import Action, Direction, PolicyKind, Ref
from webhook.policy.parse import parse_policy

I, E = Direction.INGRESS, Direction.EGRESS  # noqa: E741
RULE = {"action": "Allow"}
NP, GNP = "NetworkPolicy", "GlobalNetworkPolicy"

TYPES = [
    # id, version, kind, spec, aggregated, native, either
    ("v3 without rules", V3, NP, {}, {I}, {I}, {I}),
    ("v3 with ingress rules", V3, NP, {"ingress": [RULE]}, {I}, {I}, {I}),
    ("v3 with egress rules", V3, NP, {"egress": [RULE]}, {E}, {E}, {E}),
    ("v3 with both", V3, NP, {"ingress": [RULE], "egress": [RULE]}, {I, E}, {I, E}, {I, E}),
    ("v3 with an empty egress", V3, NP, {"egress": []}, {I}, {E}, {I, E}),
    ("v3 with an empty ingress beside egress rules", V3, NP, {"ingress": [], "egress": [RULE]}, {E}, {I, E}, {I, E}),
    ("v3 with ingress rules and an empty egress", V3, NP, {"ingress": [RULE], "egress": []}, {I}, {I, E}, {I, E}),
    ("v3 with null for egress", V3, GNP, {"egress": None}, {I}, {I}, {I}),
    ("v3 that says so", V3, GNP, {"types": ["Egress"], "ingress": [RULE]}, {E}, {E}, {E}),
    ("v1 without types", V1, NP, {"egress": [RULE]}, {I, E}, {I, E}, {I, E}),
    ("v1 without anything", V1, GNP, {}, {I, E}, {I, E}, {I, E}),
    ("v1 that says so", V1, NP, {"types": ["Ingress"]}, {I}, {I}, {I}),
    ("staged as the kind it stages", V3, "StagedNetworkPolicy", {"egress": [RULE]}, {E}, {E}, {E}),
]


@pytest.mark.parametrize(
    ("version", "kind", "spec", "aggregated", "native", "either"), [c[1:] for c in TYPES], ids=[c[0] for c in TYPES]
)
def test_absent_types_depend_on_the_way_in(
    version: str, kind: str, spec: Any, aggregated: Any, native: Any, either: Any
) -> None:
    manifest = calico(kind, "p", "" if "Global" in kind else "one", version=version, **spec)
    found = [parse_policy(manifest, defaulting=way) for way in ("aggregated", "native", "either")]
    assert [policy.types for policy in found] == [aggregated, native, either]
    assert {policy.types_declared for policy in found} == {"types" in spec}


def test_rules_of_a_direction_that_types_lacks_are_left_out() -> None:
    policy = parse_policy(calico(NP, "p", "one", types=["Egress"], ingress=[RULE], egress=[RULE, RULE]))
    assert policy.ingress == ()
    assert [rule.path for rule in policy.egress] == ["spec.egress[0]", "spec.egress[1]"]


SUBJECTS = [
    # id, manifest, effective selector
    ("namespaced, no selector", calico(NP, "p", "one"), 'projectcalico.org/namespace == "one"'),
    ("namespaced, all()", calico(NP, "p", "one", selector="all()"), 'projectcalico.org/namespace == "one"'),
    (
        "namespaced, every clause",
        calico(NP, "p", "one", selector="a == 'b' || c == 'd'", serviceAccountSelector="x == 'y'"),
        '((a == "b" || c == "d") && projectcalico.org/namespace == "one" && pcsa.x == "y")',
    ),
    (
        "a namespaceSelector means nothing in a namespaced policy",
        calico(NP, "p", "one", namespaceSelector="all()"),
        'projectcalico.org/namespace == "one"',
    ),
    ("global, nothing", calico(GNP, "p"), "all()"),
    ("global, all() keeps host endpoints", calico(GNP, "p", selector="all()"), "all()"),
    ("global, namespaces", calico(GNP, "p", namespaceSelector="env != 'x'"), 'pcns.env != "x"'),
    ("global, all namespaces", calico(GNP, "p", namespaceSelector="all()"), "has(projectcalico.org/namespace)"),
    (
        "global, all() is rewritten in the selector beside it",
        calico(GNP, "p", selector="all()", namespaceSelector="env == 'x'"),
        '(has(projectcalico.org/namespace) && pcns.env == "x")',
    ),
    (
        "global, service accounts",
        calico(GNP, "p", selector="all()", serviceAccountSelector="a == 'b'"),
        '(has(projectcalico.org/serviceaccount) && pcsa.a == "b")',
    ),
]


@pytest.mark.parametrize(("manifest", "selector"), [c[1:] for c in SUBJECTS], ids=[c[0] for c in SUBJECTS])
def test_subjects(manifest: Any, selector: str) -> None:
    policy = parse_policy(manifest)
    assert (str(policy.subject), policy.defects, policy.ignored) == (selector, (), False)


PEERS = [
    # id, kind, entity, selector, selector left to negate, as Felix joins them
    ("nothing is any peer", NP, {}, None, None),
    ("ports alone are any peer", NP, {"ports": [53]}, None, None),
    (
        "a selector in a namespaced policy",
        NP,
        {"selector": "a == 'b'"},
        '(projectcalico.org/namespace == "one" && a == "b")',
        None,
    ),
    (
        "all() in a namespaced policy is the namespace",
        NP,
        {"selector": "all()"},
        'projectcalico.org/namespace == "one"',
        None,
    ),
    (
        "notSelector alone in a namespaced policy",
        NP,
        {"notSelector": "a == 'b'"},
        '(projectcalico.org/namespace == "one" && !a == "b")',
        None,
    ),
    ("notSelector alone in a global policy", GNP, {"notSelector": "a == 'b'"}, None, 'a == "b"'),
    (
        "notSelector beside a selector",
        GNP,
        {"selector": "has(c)", "notSelector": "a == 'b'"},
        '(has(c) && !a == "b")',
        None,
    ),
    ("namespaces", NP, {"namespaceSelector": "env == 'x'"}, 'pcns.env == "x"', None),
    (
        "namespaces and a selector",
        GNP,
        {"namespaceSelector": "env == 'x'", "selector": "a == 'b'"},
        '(pcns.env == "x" && a == "b")',
        None,
    ),
    ("all namespaces", NP, {"namespaceSelector": "all()"}, "has(projectcalico.org/namespace)", None),
    (
        "none: host endpoints and global sets",
        NP,
        {"namespaceSelector": "global()"},
        "!has(projectcalico.org/namespace)",
        None,
    ),
    ("none, by negation", NP, {"namespaceSelector": "!all()"}, "!has(projectcalico.org/namespace)", None),
    ("a selector in a global policy", GNP, {"selector": "a == 'b'"}, 'a == "b"', None),
    (
        "service accounts by name",
        NP,
        {"serviceAccounts": {"names": ["y", "x"]}},
        '(projectcalico.org/namespace == "one" && projectcalico.org/serviceaccount in {"x", "y"})',
        None,
    ),
    ("service accounts by label", GNP, {"serviceAccounts": {"selector": "a == 'b'"}}, 'pcsa.a == "b"', None),
    (
        "service accounts of other namespaces",
        NP,
        {"serviceAccounts": {"names": ["x"]}, "namespaceSelector": "all()"},
        '(has(projectcalico.org/namespace) && projectcalico.org/serviceaccount in {"x"})',
        None,
    ),
    ("serviceAccounts that says nothing", NP, {"serviceAccounts": {}}, None, None),
]


@pytest.mark.parametrize(("kind", "entity", "selector", "negated"), [c[1:] for c in PEERS], ids=[c[0] for c in PEERS])
def test_peers(kind: str, entity: Any, selector: str | None, negated: str | None) -> None:
    rule = {"action": "Allow", "protocol": "TCP", "source": entity}
    policy = parse_policy(calico(kind, "p", "" if kind == GNP else "one", ingress=[rule]))
    peer = policy.ingress[0].source
    found = [None if s is None else str(s) for s in (peer.selector, peer.not_selector)]
    assert (found, policy.defects) == ([selector, negated], ())


def test_every_field_of_a_policy() -> None:
    manifest = calico(
        GNP,
        "p",
        version=V1,
        labels={"a": "b"},
        order=4.5,
        tier="t",
        types=["Egress"],
        applyOnForward=True,
        doNotTrack=True,
        egress=[
            {
                "action": "Pass",
                "ipVersion": 4,
                "protocol": "UDP",
                "notProtocol": 6,
                "http": {"methods": ["GET"]},
                "destination": {
                    "nets": ["10.0.0.0/8"],
                    "notNets": ["10.1.2.3/16", "10.9.9.9"],
                    "ports": [53, "80:90"],
                    "notPorts": ["dns"],
                },
            }
        ],
    )
    policy = parse_policy(manifest)
    (rule,) = policy.egress
    assert (policy.ref, policy.kind) == (Ref("crd.projectcalico.org", GNP, "", "p"), PolicyKind.GLOBAL_NETWORK_POLICY)
    assert (policy.order, policy.order_declared, policy.tier, policy.host_only, policy.apply_on_forward) == (
        4.5,
        True,
        "t",
        True,
        True,
    )
    assert (policy.staged, policy.staged_action, dict(policy.meta.labels)) == (False, "Set", {"a": "b"})
    assert (rule.action, rule.path, rule.ip_version, rule.protocol, rule.not_protocol, rule.has_http) == (
        Action.PASS,
        "spec.egress[0]",
        4,
        17,
        6,
        True,
    )
    destination = rule.destination
    assert [str(net) for net in (*(destination.nets or ()), *destination.not_nets)] == [
        "10.0.0.0/8",
        "10.1.0.0/16",
        "10.9.9.9/32",
    ]
    assert destination.ports is not None
    assert destination.not_ports is not None
    assert (str(destination.ports.numbers), destination.ports.names, destination.not_ports.names) == (
        "53, 80:90",
        (),
        ("dns",),
    )
    assert policy.defects == ()


def test_what_a_policy_does_not_say() -> None:
    policy = parse_policy(calico("StagedNetworkPolicy", "p", "one", stagedAction="Delete", tier=""))
    assert (policy.tier, policy.order, policy.order_declared) == ("default", math.inf, False)
    assert (policy.staged, policy.staged_action) == (True, "Delete")


def test_a_kubernetes_policy_is_not_calicos_of_the_same_kind() -> None:
    policy = parse_policy({"apiVersion": KUBERNETES, "kind": NP, "metadata": {"name": "p"}, "spec": {}})
    assert (policy.kind, policy.ref) == (
        PolicyKind.KUBERNETES_NETWORK_POLICY,
        Ref("networking.k8s.io", NP, "default", "p"),
    )
