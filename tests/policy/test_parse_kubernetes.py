"""Kubernetes' own policies in Calico's form: order, tier, types, peers, ports, and what is lost on the way."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dice import KUBERNETES, V3
from webhook.policy.objects import Action, DefectKind, Direction, Policy, PolicyKind
from webhook.policy.parse import parse_policy

I, E = Direction.INGRESS, Direction.EGRESS  # noqa: E741
ONE = 'projectcalico.org/namespace == "one"'
PODS = 'projectcalico.org/orchestrator == "k8s"'
ADMIN = "policy.networking.k8s.io/v1alpha2"
OLD = "policy.networking.k8s.io/v1alpha1"


def kubernetes(**spec: Any) -> Policy:
    metadata = {"name": "p", "namespace": "one"}
    return parse_policy({"apiVersion": KUBERNETES, "kind": "NetworkPolicy", "metadata": metadata, "spec": spec})


def cluster(kind: str = "ClusterNetworkPolicy", version: str = ADMIN, **spec: Any) -> Policy:
    spec = {"tier": "Admin", "priority": 10, "subject": {"namespaces": {}}, **spec}
    return parse_policy({"apiVersion": version, "kind": kind, "metadata": {"name": "p"}, "spec": spec})


TYPES = [
    ("neither", {}, {I}),
    ("egress rules", {"egress": [{}]}, {I, E}),
    ("an empty egress", {"egress": []}, {I}),
    ("as it says", {"policyTypes": ["Egress"], "ingress": [{}]}, {E}),
]


@pytest.mark.parametrize(("spec", "types"), [c[1:] for c in TYPES], ids=[c[0] for c in TYPES])
def test_absent_policy_types_are_filled_as_the_api_server_does(spec: Any, types: Any) -> None:
    policy = kubernetes(**spec)
    assert (policy.types, policy.types_declared) == (types, "policyTypes" in spec)
    assert (policy.order, policy.tier, policy.order_declared) == (1000.0, "default", True)


def test_staged_kubernetes_policies_are_staged() -> None:
    manifest = {"apiVersion": V3, "kind": "StagedKubernetesNetworkPolicy", "metadata": {"name": "p"}, "spec": {}}
    policy = parse_policy(manifest)
    assert (policy.kind, policy.staged) == (PolicyKind.STAGED_KUBERNETES_NETWORK_POLICY, True)


LABEL_SELECTORS = [
    ("empty", {}, f"({PODS} && {ONE})"),
    ("labels in order", {"matchLabels": {"b": "2", "a": "1"}}, f'({PODS} && a == "1" && b == "2" && {ONE})'),
    (
        "in",
        {"matchExpressions": [{"key": "a", "operator": "In", "values": ["y", "x"]}]},
        f'({PODS} && a in {{"x", "y"}} && {ONE})',
    ),
    (
        "not in",
        {"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["x"]}]},
        f'({PODS} && a not in {{"x"}} && {ONE})',
    ),
    ("exists", {"matchExpressions": [{"key": "a/b.c", "operator": "Exists"}]}, f"({PODS} && has(a/b.c) && {ONE})"),
    (
        "does not exist",
        {"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]},
        f"({PODS} && !has(a) && {ONE})",
    ),
]


@pytest.mark.parametrize(("selector", "subject"), [c[1:] for c in LABEL_SELECTORS], ids=[c[0] for c in LABEL_SELECTORS])
def test_pod_selectors(selector: Any, subject: str) -> None:
    policy = kubernetes(podSelector=selector)
    assert (str(policy.subject), policy.defects) == (subject, ())


PEERS: list[Any] = [
    # id, from, selector, nets, notNets of each peer
    ("no peers is anyone", None, [(None, None, ())]),
    ("an empty list too", [], [(None, None, ())]),
    ("pods of the own namespace", [{"podSelector": {}}], [(f"({ONE} && {PODS})", None, ())]),
    ("every namespace", [{"namespaceSelector": {}}], [(f"(has(projectcalico.org/namespace) && {PODS})", None, ())]),
    (
        "some pods of some namespaces, and more",
        [
            {"namespaceSelector": {"matchLabels": {"env": "x"}}, "podSelector": {"matchLabels": {"a": "b"}}},
            {"podSelector": {}},
        ],
        [(f'(pcns.env == "x" && {PODS} && a == "b")', None, ()), (f"({ONE} && {PODS})", None, ())],
    ),
    (
        "a block",
        [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}],
        [(None, ["10.0.0.0/8"], ["10.1.0.0/16"])],
    ),
]


@pytest.mark.parametrize(("peers", "expected"), [c[1:] for c in PEERS], ids=[c[0] for c in PEERS])
def test_peers(peers: Any, expected: Any) -> None:
    rule = {} if peers is None else {"from": peers}
    found = [rule.source for rule in kubernetes(ingress=[rule]).ingress]
    assert [
        (
            None if peer.selector is None else str(peer.selector),
            None if peer.nets is None else [str(net) for net in peer.nets],
            [str(net) for net in peer.not_nets],
        )
        for peer in found
    ] == [(selector, nets, list(not_nets)) for selector, nets, not_nets in expected]


BLOCKS: list[Any] = [
    # id, block, nets, notNets, defects
    ("a leading zero: any source", {"cidr": "010.0.0.0/8"}, None, [], ["cidr"]),
    ("an address without a length: any source", {"cidr": "10.0.0.1"}, None, [], ["cidr"]),
    ("any source, whatever is excepted", {"cidr": "x", "except": ["10.0.0.0/8"]}, None, [], ["cidr"]),
    (
        "a bad exception ends the list",
        {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", "x", "10.2.0.0/16"]},
        ["10.0.0.0/8"],
        ["10.1.0.0/16"],
        ["except[1]"],
    ),
    ("IPv4 in IPv6 form", {"cidr": "::ffff:10.0.0.0/104"}, ["10.0.0.0/8"], [], ["cidr"]),
]


@pytest.mark.parametrize(("block", "nets", "not_nets", "places"), [c[1:] for c in BLOCKS], ids=[c[0] for c in BLOCKS])
def test_blocks_that_calico_cannot_read(block: Any, nets: Any, not_nets: Any, places: list[str]) -> None:
    policy = kubernetes(policyTypes=["Egress"], egress=[{"to": [{"ipBlock": block}]}])
    peer = policy.egress[0].destination
    assert (None if peer.nets is None else [str(net) for net in peer.nets], [str(net) for net in peer.not_nets]) == (
        nets,
        not_nets,
    )
    assert [(d.kind, d.path) for d in policy.defects] == [
        (DefectKind.NET_SYNTAX, f"spec.egress[0].to[0].ipBlock.{place}") for place in places
    ]


PORTS = [
    # id, ports, (protocol, numbers, names) of each rule
    ("none is every protocol", None, [(None, None, None)]),
    ("a port without a protocol is TCP", [{"port": 80}], [(6, "80", ())]),
    ("a range, and a name", [{"port": 80, "endPort": 90}, {"port": "http"}], [(6, "80:90", ("http",))]),
    ("one rule a protocol", [{"port": 53, "protocol": "UDP"}, {"port": 53}], [(6, "53", ()), (17, "53", ())]),
    ("a protocol alone is all its ports", [{"protocol": "UDP"}, {"port": 53, "protocol": "UDP"}], [(17, None, None)]),
    ("also after one", [{"port": 53, "protocol": "UDP"}, {"protocol": "UDP"}], [(17, None, None)]),
]


@pytest.mark.parametrize(("ports", "expected"), [c[1:] for c in PORTS], ids=[c[0] for c in PORTS])
def test_ports(ports: Any, expected: Any) -> None:
    rules = kubernetes(ingress=[{"ports": ports}]).ingress
    matches = [(rule.protocol, rule.destination.ports) for rule in rules]
    assert [(p, str(m.numbers) if m else None, m.names if m else None) for p, m in matches] == expected


@pytest.mark.parametrize(
    "port", [{"port": 0}, {"port": 90, "endPort": 80}, {"port": "http", "endPort": 80}, {"protocol": "ICMP"}], ids=str
)
def test_a_rule_with_a_port_that_cannot_be_read_is_left_out(port: Any) -> None:
    policy = kubernetes(ingress=[{"ports": [port]}, {"from": [{"podSelector": {}}]}])
    assert [rule.path for rule in policy.ingress] == ["spec.ingress[1].from[0]"]
    assert [(d.kind, d.path) for d in policy.defects] == [(DefectKind.PORT_SYNTAX, "spec.ingress[0].ports[0]")]


def test_cluster_policies() -> None:
    subject = {"pods": {"namespaceSelector": {"matchLabels": {"env": "x"}}, "podSelector": {}}}
    protocols = [
        {"tcp": {"destinationPort": {"number": 80}}},
        {"tcp": {"destinationPort": {"range": {"start": 90, "end": 99}}}},
    ]
    policy = cluster(
        subject=subject,
        ingress=[
            {"action": "Accept", "from": [{"namespaces": {}}, {"pods": {"podSelector": {}}}], "protocols": protocols}
        ],
        egress=[
            {"action": "Pass", "to": [{"networks": ["10.0.0.0/8", "fd00::/8"]}]},
            {"action": "Deny", "to": [{"namespaces": {}}]},
        ],
    )
    assert (policy.tier, policy.order, policy.types) == ("kube-admin", 10.0, frozenset({I, E}))
    assert (policy.kind, str(policy.subject)) == (PolicyKind.CLUSTER_NETWORK_POLICY, f'({PODS} && pcns.env == "x")')
    # Namespaces without the clause that keeps network sets out.
    assert [str(rule.source.selector) for rule in policy.ingress] == [
        "has(projectcalico.org/namespace)",
        f"(has(projectcalico.org/namespace) && {PODS})",
    ]
    assert [
        (r.action, r.path, r.protocol, str(r.destination.ports.numbers) if r.destination.ports else None)
        for r in policy.ingress
    ] == [
        (Action.ALLOW, "spec.ingress[0].from[0]", 6, "80, 90:99"),
        (Action.ALLOW, "spec.ingress[0].from[1]", 6, "80, 90:99"),
    ]
    assert [(r.action, r.path) for r in policy.egress] == [
        (Action.PASS, "spec.egress[0].to[0]"),
        (Action.DENY, "spec.egress[1].to[0]"),
    ]
    assert policy.defects == ()


def test_a_cluster_policy_governs_only_directions_with_rules() -> None:
    assert cluster(tier="Baseline", ingress=[{"action": "Deny", "from": [{"namespaces": {}}]}]).types == {I}
    assert cluster().types == frozenset()


UNREADABLE = [
    # id, rule, what stands in its place, defects
    (
        "an Accept to a network that cannot be read",
        {"action": "Accept", "to": [{"networks": ["x/8"]}]},
        [],
        [(DefectKind.NET_SYNTAX, "to[0].networks[0]")],
    ),
    (
        "a Deny of one",
        {"action": "Deny", "to": [{"networks": ["x/8"]}]},
        [Action.DENY],
        [(DefectKind.NET_SYNTAX, "to[0].networks[0]")],
    ),
    (
        "a Pass to a peer that is not known",
        {"action": "Pass", "to": [{"nodes": {}}]},
        [Action.DENY],
        [(DefectKind.RULE_SHAPE, "to[0]")],
    ),
    (
        "a Deny of a named port",
        {"action": "Deny", "to": [{"namespaces": {}}], "protocols": [{"destinationNamedPort": "http"}]},
        [Action.DENY],
        [(DefectKind.RULE_SHAPE, "protocols[0].destinationNamedPort"), (DefectKind.PORT_SYNTAX, "protocols[0]")],
    ),
]


@pytest.mark.parametrize(("rule", "actions", "defects"), [c[1:] for c in UNREADABLE], ids=[c[0] for c in UNREADABLE])
def test_what_calico_cannot_convert_denies_all_or_is_left_out(rule: Any, actions: Any, defects: Any) -> None:
    policy = cluster(egress=[rule])
    assert [(r.action, r.destination.selector, r.destination.nets) for r in policy.egress] == [
        (action, None, None) for action in actions
    ]
    assert [(d.kind, d.path) for d in policy.defects] == [(kind, f"spec.egress[0].{path}") for kind, path in defects]


def test_an_accept_of_a_named_port_is_taken_for_one_that_opens() -> None:
    rule = {"action": "Accept", "from": [{"namespaces": {}}], "protocols": [{"destinationNamedPort": "http"}]}
    policy = cluster(ingress=[rule])
    (found,) = policy.ingress
    assert found.destination.ports is not None
    assert (found.protocol, found.destination.ports.names) == (6, ("http",))
    assert [d.kind for d in policy.defects] == [DefectKind.RULE_SHAPE]


@pytest.mark.parametrize(
    ("expression", "subject"),
    [
        ({"key": "env", "operator": "in", "values": ["x"]}, PODS),
        (
            {"key": "env", "operator": "In", "values": ["x'} || has(a) || b in {'y"]},
            f'({PODS} && (pcns.env in {{"x"}} || has(pcns.a) || pcns.b in {{"y"}}))',
        ),
    ],
    ids=["an operator that Calico leaves out", "a value that closes the quote"],
)
def test_label_selectors_that_no_schema_checks(expression: Any, subject: str) -> None:
    policy = cluster(subject={"namespaces": {"matchExpressions": [expression]}})
    assert str(policy.subject) == subject
    assert [d.kind for d in policy.defects] == [DefectKind.SELECTOR_SYNTAX]


def test_the_older_cluster_kinds() -> None:
    rule = {
        "action": "Allow",
        "from": [{"namespaces": {}}],
        "ports": [{"portNumber": {"port": 80}}, {"portRange": {"protocol": "UDP", "start": 1, "end": 2}}],
    }
    admin = cluster("AdminNetworkPolicy", OLD, ingress=[rule])
    base = cluster("BaselineAdminNetworkPolicy", OLD, egress=[{"action": "Deny", "to": [{"namespaces": {}}]}])
    assert (admin.tier, admin.order, [(r.action, r.protocol) for r in admin.ingress]) == (
        "adminnetworkpolicy",
        10.0,
        [(Action.ALLOW, 6), (Action.ALLOW, 17)],
    )
    assert (base.tier, base.kind) == ("baselineadminnetworkpolicy", PolicyKind.BASELINE_ADMIN_NETWORK_POLICY)
