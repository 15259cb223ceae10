"""Networks, ports, protocols and shapes of rules: what is noted, and when Felix drops the whole policy."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dice import V1, V3, calico
from webhook.policy.objects import DefectKind, Policy
from webhook.policy.parse import parse_policy

NP = "NetworkPolicy"
K = DefectKind
IN = "spec.ingress[0]"


def namespaced(**spec: Any) -> Any:
    return calico(NP, "p", "one", version=V1, types=["Ingress", "Egress"], **spec)


def source(entity: Any, **rule: Any) -> Any:
    return namespaced(ingress=[{"action": "Allow", **rule, "source": entity}])


def found(policy: Policy) -> tuple[list[tuple[DefectKind, str]], bool]:
    return [(defect.kind, defect.path) for defect in policy.defects], policy.ignored


NETS = [
    # id, field, entries, networks in force (None: no constraint), places of defects
    (
        "a network, an address, host bits set",
        "nets",
        ["10.0.0.0/8", "10.0.0.1", "10.1.2.3/16", "fd00::1"],
        ["10.0.0.0/8", "10.0.0.1/32", "10.1.0.0/16", "fd00::1/128"],
        [],
    ),
    ("an empty list", "nets", [], None, []),
    ("4 an empty entry", "nets", [""], None, [0]),
    ("4 an empty exception", "notNets", ["", "10.0.0.0/8"], ["10.0.0.0/8"], [0]),
    ("5 leading zeros", "nets", ["010.0.0.0/8"], None, [0]),
    ("6 every IPv4 address in IPv6 form", "nets", ["::ffff:0.0.0.0/96"], ["0.0.0.0/0"], [0]),
    ("6 the same in groups", "nets", ["0:0:0:0:0:ffff:0a00:0001/104"], ["10.0.0.0/8"], [0]),
    ("6 one address", "nets", ["::ffff:10.0.0.1"], ["10.0.0.1/32"], [0]),
    ("6 a shorter length is an IPv6 network", "nets", ["::ffff:0.0.0.0/90"], ["::ffc0:0:0/90"], [0]),
    ("7 a netmask", "nets", ["10.0.0.0/255.0.0.0"], None, [0]),
    ("7 a zone", "nets", ["fe80::1%eth0/64"], None, [0]),
    ("7 a word, and one that is good", "nets", ["x", "10.0.0.0/8"], ["10.0.0.0/8"], [0]),
    ("7 an exception that is lost", "notNets", ["x"], None, [0]),
    ("a length with leading zeros works", "nets", ["203.0.113.9/032"], ["203.0.113.9/32"], [0]),
    ("a length too long", "nets", ["10.0.0.0/33"], None, [0]),
    ("digits of another script", "nets", ["１0.0.0.0/8"], None, [0]),
]


@pytest.mark.parametrize(("field", "entries", "in_force", "places"), [c[1:] for c in NETS], ids=[c[0] for c in NETS])
def test_networks(field: str, entries: list[str], in_force: list[str] | None, places: list[int]) -> None:
    policy = parse_policy(source({field: entries}))
    entity = policy.ingress[0].source
    nets = entity.nets if field == "nets" else entity.not_nets or None
    assert (None if nets is None else [str(net) for net in nets]) == in_force
    assert found(policy) == ([(K.NET_SYNTAX, f"{IN}.source.{field}[{at}]") for at in places], False)


RULES = [
    # id, rule, defects, ignored
    ("ports with a protocol", {"protocol": "TCP", "destination": {"ports": [53, "80:90", "http"]}}, [], False),
    ("a protocol in small letters, or as a number", {"protocol": "udp", "notProtocol": 6}, [], False),
    ("named ports without a protocol", {"destination": {"ports": ["http"]}}, [], False),
    ("9 ports without a protocol", {"destination": {"ports": [53]}}, [(K.PORT_SYNTAX, "destination.ports")], True),
    ("9 notPorts without a protocol", {"source": {"notPorts": ["1:2"]}}, [(K.PORT_SYNTAX, "source.notPorts")], True),
    (
        "9 ports with notProtocol alone",
        {"notProtocol": "UDP", "destination": {"ports": [53]}},
        [(K.PORT_SYNTAX, "destination.ports")],
        True,
    ),
    (
        "9 port 0",
        {"protocol": "TCP", "destination": {"ports": [80, 0]}},
        [(K.PORT_SYNTAX, "destination.ports[1]")],
        True,
    ),
    (
        "9 a port beyond the last",
        {"protocol": "TCP", "destination": {"ports": ["65536"]}},
        [(K.PORT_SYNTAX, "destination.ports[0]")],
        True,
    ),
    (
        "9 a range backwards",
        {"protocol": "TCP", "destination": {"ports": ["90:80"]}},
        [(K.PORT_SYNTAX, "destination.ports[0]")],
        True,
    ),
    (
        "9 a name that no container port can have",
        {"protocol": "TCP", "destination": {"ports": ["HTTP"]}},
        [(K.PORT_SYNTAX, "destination.ports[0]")],
        True,
    ),
    (
        "9 a port that is no port",
        {"protocol": "TCP", "destination": {"ports": [{}]}},
        [(K.PORT_SYNTAX, "destination.ports[0]")],
        True,
    ),
    ("9 protocol 0", {"protocol": 0}, [(K.PORT_SYNTAX, "protocol")], True),
    ("9 protocol foo", {"protocol": "foo"}, [(K.PORT_SYNTAX, "protocol")], True),
    ("9 notProtocol any", {"notProtocol": "any"}, [(K.PORT_SYNTAX, "notProtocol")], True),
    (
        "9 ports of a protocol without any",
        {"protocol": "ICMP", "destination": {"ports": ["http"]}},
        [(K.PORT_SYNTAX, "destination.ports")],
        True,
    ),
    ("an ICMP type", {"protocol": "ICMP", "icmp": {"type": 8, "code": 0}}, [], False),
    ("an ICMP clause that says nothing", {"icmp": {}}, [], False),
    ("an ICMP type without the protocol", {"icmp": {"type": 8}}, [(K.RULE_SHAPE, "icmp")], False),
    ("an ICMP code without a type", {"protocol": "ICMP", "icmp": {"code": 0}}, [(K.RULE_SHAPE, "icmp.code")], False),
    (
        "an ICMP type that Linux cannot match",
        {"protocol": "ICMP", "notICMP": {"type": 255}},
        [(K.RULE_SHAPE, "notICMP.type")],
        True,
    ),
    ("an IP version", {"ipVersion": 6}, [], False),
    ("another IP version", {"ipVersion": 5}, [(K.RULE_SHAPE, "ipVersion")], True),
    ("all but everything", {"source": {"notNets": ["10.0.0.0/8", "::/0"]}}, [(K.RULE_SHAPE, "source.notNets")], False),
    ("a service", {"source": {"services": {"name": "web", "namespace": "one"}}}, [], False),
    (
        "a service without a name",
        {"source": {"services": {"namespace": "one"}}},
        [(K.RULE_SHAPE, "source.services")],
        False,
    ),
    (
        "a service with company",
        {"source": {"services": {"name": "web"}, "nets": ["10.0.0.0/8"]}},
        [(K.RULE_SHAPE, "source.services")],
        False,
    ),
    (
        "a service at the wrong end",
        {"destination": {"services": {"name": "web"}}},
        [(K.RULE_SHAPE, "destination.services")],
        False,
    ),
]


@pytest.mark.parametrize(("rule", "defects", "ignored"), [c[1:] for c in RULES], ids=[c[0] for c in RULES])
def test_rules(rule: Any, defects: Any, ignored: bool) -> None:
    policy = parse_policy(namespaced(ingress=[{"action": "Deny", **rule}]))
    assert found(policy) == ([(kind, f"{IN}.{path}") for kind, path in defects], ignored)


def test_a_bad_rule_in_a_direction_that_is_not_governed_removes_the_policy_too() -> None:
    policy = parse_policy(
        calico(NP, "p", "one", version=V3, types=["Ingress"], egress=[{"action": "Deny", "protocol": 0}])
    )
    assert found(policy) == ([(K.PORT_SYNTAX, "spec.egress[0].protocol")], True)


def test_defects_say_what_is_there_and_what_becomes_of_it() -> None:
    policy = parse_policy(source({"nets": ["::ffff:0.0.0.0/96"], "selector": "app =="}))
    assert [(defect.text, defect.message) for defect in policy.defects] == [
        (
            "::ffff:0.0.0.0/96",
            "expected an IPv4 network in IPv4 form, not ::ffff:…, which readers take for different networks; "
            "Calico reads it as 0.0.0.0/0",
        ),
        ("app ==", "at character 7: expected a quoted string after `==`"),
    ]
