"""What one allow rule matches: peers, network sets, ranges, families, ports, services; and the labels behind it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dice import calico, pod
from tests.policy.stage import CLIENT, DEFAULT, DEV, DNS, EXPLICIT, INTERNET, TEST, ask, policy, wide

NP, GNP = policy, wide
ENV_DEV = {"namespaceSelector": "env == 'dev'"}
K8S = {**ENV_DEV, "selector": "projectcalico.org/orchestrator == 'k8s'"}


def local_set(place: str, nets: list[str], **labels: str) -> Any:
    return calico("NetworkSet", "s", place, labels=labels, nets=nets)


def global_set(nets: list[str], **labels: str) -> Any:
    return calico("GlobalNetworkSet", "s", labels=labels, nets=nets)


def host(address: str, labels: dict[str, str], *profiles: str) -> Any:
    return calico("HostEndpoint", "h", labels=labels, expectedIPs=[address], profiles=list(profiles))


SET = local_set("development", ["0.0.0.0/0"])
FORGED = {"projectcalico.org/orchestrator": "k8s", "pcns.env": "dev"}

# The peers of an ingress rule in development at order 1, before an explicit deny: who gets in?
PEERS = [
    # id, policy kind, source entity, more manifests, who of (dev, test, default, internet) gets in
    ("any peer", NP, {}, [], "dev test default internet"),
    ("the own namespace by selector", NP, {"selector": "all()"}, [], "dev"),
    ("nobody by selector", NP, {"selector": "app == 'tool'"}, [], ""),
    ("all but one, in the own namespace", NP, {"notSelector": "app == 'whoami'"}, [], "dev"),
    ("all but one, anywhere, the outside too", GNP, {"notSelector": "app == 'tool'"}, [], "dev default internet"),
    ("a selector of a global policy", GNP, {"selector": "app == 'tool'"}, [], "test"),
    ("all() of a global policy is what Calico knows", GNP, {"selector": "all()"}, [], "dev test default"),
    ("an environment", NP, ENV_DEV, [], "dev"),
    (
        "a negative namespaceSelector is true without the label",
        NP,
        {"namespaceSelector": "env != 'dev'"},
        [],
        "test default",
    ),
    (
        "and of host endpoints and global sets",
        NP,
        {"namespaceSelector": "env != 'dev'"},
        [global_set(["203.0.113.0/24"])],
        "test default internet",
    ),
    ("all namespaces", NP, {"namespaceSelector": "all()"}, [global_set(["203.0.113.0/24"])], "dev test default"),
    ("no namespace", NP, {"namespaceSelector": "global()"}, [global_set(["203.0.113.0/24"])], "internet"),
    ("inherited labels in a plain selector", GNP, {"selector": "pcns.env == 'test'"}, [], "test"),
    ("the namespace by name", GNP, {"selector": "pcns.projectcalico.org/name == 'default'"}, [], "default"),
    (
        "a service account by name",
        NP,
        {"namespaceSelector": "all()", "serviceAccounts": {"names": ["robot"]}},
        [],
        "test",
    ),
    ("a service account of the own namespace", NP, {"serviceAccounts": {"names": ["default"]}}, [], "dev"),
    # Sets are peers, with the labels of their namespace or their own
    ("a set in the namespace opens the world", NP, ENV_DEV, [SET], "dev test default internet"),
    ("but not where pods alone are meant", NP, K8S, [SET], "dev"),
    (
        "unless it says that it is a pod",
        NP,
        K8S,
        [local_set("development", ["0.0.0.0/0"], **{"projectcalico.org/orchestrator": "k8s"})],
        "dev test default internet",
    ),
    ("a set elsewhere does not", NP, ENV_DEV, [local_set("test", ["0.0.0.0/0"])], "dev"),
    (
        "unless it carries the inherited label itself",
        NP,
        K8S,
        [local_set("test", ["0.0.0.0/0"], **FORGED)],
        "dev test default internet",
    ),
    ("as a global set may", NP, K8S, [global_set(["0.0.0.0/0"], **FORGED)], "dev test default internet"),
    (
        "a set cannot leave its namespace by label",
        NP,
        {"selector": "all()"},
        [local_set("test", ["0.0.0.0/0"], **{"projectcalico.org/namespace": "development"})],
        "dev",
    ),
    (
        "a global set can enter one",
        NP,
        {"selector": "all()"},
        [global_set(["0.0.0.0/0"], **{"projectcalico.org/namespace": "development"})],
        "dev test default internet",
    ),
    ("a host endpoint with forged labels", NP, K8S, [host(INTERNET, FORGED)], "dev internet"),
    (
        "a host endpoint that borrows a namespace's profile",
        NP,
        ENV_DEV,
        [host(INTERNET, {}, "kns.development")],
        "dev internet",
    ),
    (
        "pods whose address a set holds are peers by it",
        NP,
        {"selector": "x == 'y'"},
        [local_set("development", ["10.0.1.1/32"], x="y")],
        "test",
    ),
    ("a set with nets that Calico skips", NP, ENV_DEV, [local_set("development", ["10.0.1.1/255.255.255.255"])], "dev"),
    (
        "a set that is IPv4 in IPv6 form",
        NP,
        ENV_DEV,
        [local_set("development", ["::ffff:0.0.0.0/96"])],
        "dev test default internet",
    ),
    # nets
    ("a range", NP, {"nets": ["10.0.1.0/24"]}, [], "test"),
    ("every IPv4 address", NP, {"nets": ["0.0.0.0/0"]}, [], "dev test default internet"),
    ("two halves", NP, {"nets": ["0.0.0.0/1", "128.0.0.0/1"]}, [], "dev test default internet"),
    ("a range and a selector must both hold", NP, {**ENV_DEV, "nets": ["10.0.1.0/24"]}, [], ""),
    ("all but a range", NP, {"notNets": ["10.0.0.0/8"]}, [], "internet"),
    ("all but everything disables the rule", NP, {"notNets": ["0.0.0.0/0"]}, [], ""),
    ("all but an IPv6 range is no rule for IPv4", NP, {"notNets": ["fd00::/8"]}, [], ""),
    ("an IPv6 range is no rule for IPv4", NP, {"nets": ["::/0"]}, [], ""),
    ("an empty list is no constraint", NP, {"nets": []}, [], "dev test default internet"),
    ("a list whose only entry is bad is none either", NP, {"nets": ["x"]}, [], "dev test default internet"),
    # pods' own labels
    (
        "a pod cannot claim a namespace's label",
        NP,
        ENV_DEV,
        [pod("default", "tool", "10.0.2.1", labels={"pcns.env": "dev"})],
        "dev",
    ),
    (
        "nor a namespace",
        GNP,
        {"selector": "projectcalico.org/namespace == 'development'"},
        [pod("default", "tool", "10.0.2.1", labels={"projectcalico.org/namespace": "development"})],
        "dev",
    ),
    ("two pods of one address are both", NP, ENV_DEV, [pod("development", "twin", "10.0.2.1")], "dev default"),
]
WHO = {"dev": CLIENT, "test": TEST, "default": DEFAULT, "internet": INTERNET}


@pytest.mark.parametrize(("kind", "entity", "more", "inside"), [c[1:] for c in PEERS], ids=[c[0] for c in PEERS])
def test_peers(kind: Any, entity: Any, more: Any, inside: str) -> None:
    rule = {"action": "Allow", "source": entity}
    manifests = [*more, EXPLICIT, kind("p", 1, types=["Ingress"], ingress=[rule])]
    found = [who for who, source in WHO.items() if ask(manifests, source, DEV).hooks[-1].allowed]
    assert " ".join(found) == inside


def test_a_named_port_is_that_of_the_peers_that_are_selected() -> None:
    """The range of a set is selected, the pod at the same address is not, and only pods have named ports."""
    rule = {"action": "Allow", "destination": {"selector": "a == 'b'", "ports": ["http"]}}
    allow = policy("p", 1, types=["Ingress"], ingress=[rule])
    own = pod(
        "development",
        "whoami",
        "10.0.0.1",
        labels={"a": "b"},
        containers=[{"ports": [{"name": "http", "containerPort": 80}]}],
    )
    assert not ask([EXPLICIT, allow, local_set("development", ["10.0.0.1/32"], a="b")], TEST, DEV).allowed
    assert ask([EXPLICIT, allow, own], TEST, DEV).allowed


HTTP = {"destination": {"ports": ["http"]}}
V6 = {"family": 6}
WEB = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "development"}, "spec": {}}


def slice_of(address: str, *ports: Any) -> Any:
    metadata = {"name": "web-1", "namespace": "development", "labels": {"kubernetes.io/service-name": "web"}}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata,
        "ports": list(ports),
        "endpoints": [{"addresses": [address]}],
    }


# One allow rule at order 1 before an explicit deny, for a flow from test/tool to development/whoami.
RULES = [
    # id, rule, protocol, port, more of the flow, allowed
    ("any protocol", {}, 132, 9, {}, True),
    ("a protocol", {"protocol": "TCP"}, 17, 80, {}, False),
    ("all but a protocol", {"notProtocol": "TCP"}, 6, 80, {}, False),
    ("all but another", {"notProtocol": "UDP"}, 6, 80, {}, True),
    ("a port", {"protocol": "TCP", "destination": {"ports": [80]}}, 6, 80, {}, True),
    ("another port", {"protocol": "TCP", "destination": {"ports": [81, "1000:2000"]}}, 6, 80, {}, False),
    ("inside a range", {"protocol": "TCP", "destination": {"ports": ["1000:2000"]}}, 6, 2000, {}, True),
    ("all but a port", {"protocol": "TCP", "destination": {"notPorts": [80]}}, 6, 80, {}, False),
    ("all but another port", {"protocol": "TCP", "destination": {"notPorts": [81]}}, 6, 80, {}, True),
    ("a source port", {"protocol": "TCP", "source": {"ports": [1234]}}, 6, 80, {"source_port": 1234}, True),
    ("a client's port is high unless said", {"protocol": "TCP", "source": {"ports": ["1:1023"]}}, 6, 80, {}, False),
    ("a named port", {"protocol": "TCP", **HTTP}, 6, 80, {}, True),
    ("a named port without a protocol is TCP", HTTP, 6, 80, {}, True),
    ("a named port at another number", HTTP, 6, 81, {}, False),
    ("a named port of another protocol", {"protocol": "UDP", **HTTP}, 17, 80, {}, False),
    ("a named port or a number", {"protocol": "TCP", "destination": {"ports": ["http", 81]}}, 6, 81, {}, True),
    (
        "a named port at peers that are not selected",
        {"destination": {"ports": ["http"], "selector": "x == 'y'"}},
        6,
        80,
        {},
        False,
    ),
    ("all but a named port", {"protocol": "TCP", "destination": {"notPorts": ["http"]}}, 6, 80, {}, False),
    ("http is not looked at", {"protocol": "TCP", "http": {"methods": ["GET"]}}, 6, 9, {}, True),
    ("an ICMP type", {"protocol": "ICMP", "icmp": {"type": 8}}, 1, 0, {}, True),
    ("an ICMP type and code", {"protocol": "ICMP", "icmp": {"type": 8, "code": 1}}, 1, 0, {"icmp": (8, 0)}, False),
    ("all but an ICMP type", {"protocol": "ICMP", "notICMP": {"type": 8}}, 1, 0, {}, False),
    ("an ICMP type says nothing of TCP", {"icmp": {"type": 8}}, 6, 80, {}, False),
    ("ICMPv6", {"protocol": "ICMPv6", "icmp": {"type": 128}}, 58, 0, V6, True),
    (
        "an ICMP type is of the family's own protocol",
        {"protocol": "ICMP", "icmp": {"type": 8}},
        1,
        0,
        {"family": 6, "icmp": (8, 0)},
        False,
    ),
    ("an IP version", {"ipVersion": 4}, 6, 80, {}, True),
    ("the other IP version", {"ipVersion": 4}, 6, 80, V6, False),
    ("an IPv6 range", {"source": {"nets": ["fd00::/120"]}}, 6, 80, V6, True),
    ("an IPv4 range is no rule for IPv6", {"source": {"nets": ["0.0.0.0/0"]}}, 6, 80, V6, False),
    ("all but an IPv4 range neither", {"source": {"notNets": ["203.0.113.0/24"]}}, 6, 80, V6, False),
    ("selectors know both families", {"source": {"namespaceSelector": "env == 'test'"}}, 6, 80, V6, True),
    (
        "source and destination must both hold",
        {"source": {"namespaceSelector": "env == 'test'"}, "destination": {"selector": "app == 'x'"}},
        6,
        80,
        {},
        False,
    ),
    ("the destination is looked at on ingress too", {"destination": {"selector": "app == 'whoami'"}}, 6, 80, {}, True),
]


@pytest.mark.parametrize(
    ("rule", "protocol", "port", "more", "allowed"), [c[1:] for c in RULES], ids=[c[0] for c in RULES]
)
def test_rules(rule: Any, protocol: int, port: int, more: Any, allowed: bool) -> None:
    manifests = [EXPLICIT, policy("p", 1, types=["Ingress"], ingress=[{"action": "Allow", **rule}])]
    assert ask(manifests, TEST, DEV, protocol, port, **more).hooks[-1].allowed == allowed


SERVICES = [
    # id, slice, namespace in the clause, egress of development/tool to the internet on TCP 443
    ("address and port", slice_of(INTERNET, {"port": 443}), {"namespace": "development"}, True),
    ("another port", slice_of(INTERNET, {"port": 80}), {"namespace": "development"}, False),
    ("another protocol", slice_of(INTERNET, {"port": 443, "protocol": "UDP"}), {"namespace": "development"}, False),
    ("another address", slice_of("203.0.113.8", {"port": 443}), {"namespace": "development"}, False),
    ("without a namespace it matches nothing", slice_of(INTERNET, {"port": 443}), {}, False),
]


@pytest.mark.parametrize(("piece", "where", "allowed"), [c[1:] for c in SERVICES], ids=[c[0] for c in SERVICES])
def test_services_in_a_destination(piece: Any, where: Any, allowed: bool) -> None:
    rule = {"action": "Allow", "destination": {"services": {"name": "web", **where}}}
    manifests = [WEB, piece, EXPLICIT, policy("p", 1, types=["Egress"], egress=[rule])]
    assert ask(manifests, CLIENT, INTERNET, 6, 443).allowed == allowed


def test_services_in_a_source_are_addresses_alone() -> None:
    rule = {"action": "Allow", "source": {"services": {"name": "web", "namespace": "development"}}}
    manifests = [WEB, slice_of(INTERNET), EXPLICIT, policy("p", 1, types=["Ingress"], ingress=[rule])]
    assert ask(manifests, INTERNET, DEV, 6, 443).allowed
    assert not ask(manifests, "203.0.113.8", DEV, 6, 443).allowed


def test_a_pod_without_an_address_is_known_by_its_labels_and_in_no_range() -> None:
    waiting = pod("test", "waiting", labels={"app": "tool"})
    by_label = {"action": "Allow", "source": {"namespaceSelector": "env == 'test'"}}
    by_range = {"action": "Allow", "source": {"nets": ["0.0.0.0/0", "::/0"]}}
    for rule, allowed in ((by_label, True), (by_range, False)):
        manifests = [waiting, EXPLICIT, policy("p", 1, types=["Ingress"], ingress=[rule])]
        assert ask(manifests, "test/waiting", DEV).allowed == allowed


def test_dns_needs_no_more_than_the_policy_says() -> None:
    rule = {
        "action": "Allow",
        "protocol": "UDP",
        "destination": {
            "selector": "k8s-app == 'kube-dns'",
            "namespaceSelector": "control-plane == 'true'",
            "ports": [53],
        },
    }
    manifests = [EXPLICIT, policy("dns-allow", 4000, types=["Egress"], egress=[rule])]
    assert [ask(manifests, CLIENT, DNS, protocol, 53).allowed for protocol in (17, 6)] == [True, False]
