"""Attacks by policy: what lets through more than settings permit, cuts off DNS, or comes before the baseline."""

from __future__ import annotations

from tests.guarded.attempt import CALICO, DEV, PROD, held, merge, put, row
from tests.guarded.policies import (
    ACTION,
    BAND,
    BEFORE,
    CEILING,
    CIDRS,
    DECLARED,
    DNS,
    EVERYTHING,
    PASSES,
    SAME,
    TIER,
    cluster,
    kubernetes,
    let_in,
    let_out,
    of_all,
    ours,
    tier,
)

LEAKS = [
    ours("everything in", CEILING, ingress=EVERYTHING),
    ours("everything out", CEILING, types=["Egress"], egress=EVERYTHING),
    ours("everything, types left out", CEILING, types=None, ingress=EVERYTHING),
    ours("HTTP paths to look narrow", CEILING, ingress=[{"action": "Allow", "http": {"methods": ["GET"]}}]),
    ours("protocol alone", CEILING, ingress=[{"action": "Allow", "protocol": "SCTP"}]),
    ours("one port", CEILING, ingress=[{"action": "Allow", "protocol": "TCP", "destination": {"ports": [8080]}}]),
    ours("a named port", CEILING, ingress=[{"action": "Allow", "protocol": "TCP", "destination": {"ports": ["web"]}}]),
    ours("ICMP from anywhere", CEILING, ingress=[{"action": "Allow", "protocol": "ICMP", "icmp": {"type": 8}}]),
    ours("everything but UDP", CEILING, ingress=[{"action": "Allow", "notProtocol": "UDP"}]),
    ours("IPv6 alone", CEILING, ingress=[{"action": "Allow", "ipVersion": 6}]),
    let_in("from prod by environment", CEILING, namespaceSelector='env == "prod"'),
    let_in("from prod by namespace", CEILING, namespaceSelector=f"projectcalico.org/name == '{PROD}'"),
    let_in("not from prod", CEILING, namespaceSelector='env != "prod"'),
    let_in("from environments by prefix", CEILING, namespaceSelector='env starts with "p"'),
    let_in("from environments by part", CEILING, namespaceSelector='env contains "o"'),
    let_in("from a set of environments", CEILING, namespaceSelector='env in {"dev", "prod"}'),
    let_in("from all namespaces", CEILING, namespaceSelector="all()"),
    let_in("from namespaces with a tenant's label", CEILING, namespaceSelector='team == "a"'),
    let_in("from unassigned", CEILING, namespaceSelector='env == "unassigned"'),
    let_in("from nodes and sets by global()", CEILING, namespaceSelector="global()", selector="role == 'x'"),
    let_in("from nodes by !all()", CEILING, namespaceSelector="!all()"),
    let_in(
        "from prod through the pods' inherited label", CEILING, namespaceSelector="all()", selector="pcns.env == 'prod'"
    ),
    let_in("dev, or a label", CEILING, namespaceSelector='env == "dev" || team == "a"'),
    let_in("dev, doubly denied", CEILING, namespaceSelector='!(env != "dev" && env != "prod")'),
    let_in("all but a label", CEILING, notSelector="app == 'a'"),
    let_in("half of all addresses", CEILING, nets=["0.0.0.0/1"]),
    let_in("all addresses in two halves", CEILING, nets=["0.0.0.0/1", "128.0.0.0/1"]),
    let_in("all IPv6 addresses", CEILING, nets=["::/0"]),
    let_in("all but one address", CEILING, notNets=["203.0.113.9/32"]),
    let_in("pods by address", CEILING, nets=["10.240.7.7/32"]),
    let_in("an IPv4 range written as IPv6", CIDRS, nets=["::ffff:0.0.0.0/96"]),
    let_in("no net at all", CEILING, nets=[]),
    ours(
        "everything but one port",
        CEILING,
        ingress=[{"action": "Allow", "protocol": "TCP", "destination": {"notPorts": [22]}}],
    ),
    let_in("everybody's ServiceAccount", CEILING, namespaceSelector="all()", serviceAccounts={"names": ["web"]}),
    let_out("to the Internet", CEILING, nets=["0.0.0.0/0"]),
    let_out("to the metadata service", CEILING, nets=["169.254.169.254/32"]),
    let_out("to the pods' range", CEILING, nets=["10.240.0.0/16"]),
    let_out("to a Service of prod", CEILING, services={"name": "db", "namespace": PROD}),
    let_out("to a Service of its own, endpoints by hand", CEILING, services={"name": "out", "namespace": DEV}),
    let_out("to prod by environment", CEILING, namespaceSelector='env == "prod"'),
    let_out("from dev to test, the permit reversed", CEILING, namespaceSelector='env == "test"'),
    ours(
        "two rules that are one in sum",
        CEILING,
        ingress=[{"action": "Allow", "source": {"nets": [f"{n}.0.0.0/1"]}} for n in (0, 128)],
    ),
    ours("Deny all behind Allow all", CEILING, ingress=[*EVERYTHING, {"action": "Deny"}]),
    ours("open behind 1,023 closed rules", CEILING, ingress=[{"action": "Allow", "source": SAME}] * 1023 + EVERYTHING),
    ours("Pass", PASSES, ingress=[{"action": "Pass"}]),
    ours("Pass for one port", PASSES, ingress=[{"action": "Pass", "protocol": "TCP", "destination": {"ports": [80]}}]),
    ours("Log, then Pass", PASSES, ingress=[{"action": "Log"}, {"action": "Pass"}]),
    of_all("a global policy opens all", CEILING, ingress=EVERYTHING),
    of_all("a global policy opens dev", CEILING, namespaceSelector='env == "dev"', ingress=EVERYTHING),
    of_all("a global policy by the pods' label", CEILING, selector="pcns.env == 'prod'", ingress=EVERYTHING),
    of_all("a global policy for all but prod", CEILING, namespaceSelector='env != "prod"', ingress=EVERYTHING),
    of_all("a global policy with Pass", PASSES, ingress=[{"action": "Pass"}]),
    of_all("a global policy by ServiceAccount", CEILING, serviceAccountSelector="all()", ingress=EVERYTHING),
    kubernetes("Kubernetes: from everywhere", ingress=[{}]),
    kubernetes("Kubernetes: from all namespaces", ingress=[{"from": [{"namespaceSelector": {}}]}]),
    kubernetes("Kubernetes: from any address", ingress=[{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]),
    kubernetes("Kubernetes: from prod", ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"env": "prod"}}}]}]),
    kubernetes(
        "Kubernetes: not from prod",
        ingress=[
            {
                "from": [
                    {
                        "namespaceSelector": {
                            "matchExpressions": [{"key": "env", "operator": "NotIn", "values": ["prod"]}]
                        }
                    }
                ]
            }
        ],
    ),
    kubernetes("Kubernetes: to everywhere", policyTypes=["Egress"], egress=[{}]),
    kubernetes(
        "Kubernetes: to an address with exceptions",
        policyTypes=["Egress"],
        egress=[{"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}]}],
    ),
    cluster("cluster policy: Accept all", CEILING, ingress=[{"action": "Accept", "from": [{"namespaces": {}}]}]),
    cluster(
        "cluster policy: Accept to the Internet",
        CEILING,
        egress=[{"action": "Accept", "to": [{"networks": ["0.0.0.0/0"]}]}],
    ),
    cluster(
        "cluster policy: dev's namespaces, sets too",
        CEILING,
        subject={"namespaces": {"matchLabels": {"env": "prod"}}},
        ingress=[{"action": "Accept", "from": [{"namespaces": {"matchLabels": {"env": "dev"}}}]}],
    ),
    cluster("cluster policy: Deny DNS", DNS, egress=[{"action": "Deny", "to": [{"namespaces": {}}]}]),
]

ORDERS_AND_TIERS = [
    ours("order -1", BAND, order=-1, ingress=[{"action": "Deny"}]),
    ours("order 99.9", BAND, order=99.9, ingress=[{"action": "Deny"}]),
    ours("order 3999.5", BAND, order=3999.5, ingress=[{"action": "Deny"}]),
    ours("order 500 exactly, by a name that sorts first", CEILING, order=500, ingress=EVERYTHING),
    ours("order 4000, by a name that sorts first", BAND, order=4000, ingress=[{"action": "Deny"}]),
    ours("order 5000, by a name that sorts first", BAND, order=5000, ingress=EVERYTHING),
    ours("order behind the baseline", BAND, order=7000, ingress=EVERYTHING),
    ours("no order", DECLARED, order=None, ingress=EVERYTHING),
    ours("an order that no float holds", BAND, order=1e308, ingress=EVERYTHING),
    of_all("global, order 5000, named before default-deny", BAND, order=5000, ingress=EVERYTHING),
    of_all("global, no order", DECLARED, order=None, ingress=EVERYTHING),
    ours("in tier kube-admin", TIER, tier="kube-admin", ingress=EVERYTHING),
    ours("in tier kube-baseline", TIER, tier="kube-baseline", ingress=EVERYTHING),
    ours("in a tier that is not there", TIER, tier="nowhere", ingress=EVERYTHING),
    of_all("global in tier kube-admin, Pass alone", TIER, tier="kube-admin", ingress=[{"action": "Pass"}]),
    tier("a tier before default", BEFORE, "early", order=10, defaultAction="Pass"),
    tier("a tier without order, named before default", BEFORE, "aaa", defaultAction="Pass"),
    tier("a tier of order 1000000, named before default", BEFORE, "aaa", order=1000000, defaultAction="Pass"),
    tier("a tier before default that denies", BEFORE, "early", order=999999.5, defaultAction="Deny"),
    tier("a tier before default by masters", BEFORE, "early", "administrator", order=10, defaultAction="Pass"),
    tier("calico-system's tier, with another order", BEFORE, "calico-system", dead=403, order=5, defaultAction="Deny"),
    tier("kube-something by calico-node", BEFORE, "early", "as calico-node", order=10, defaultAction="Pass"),
    held(
        "tier default passes",
        "cluster-admin",
        merge(f"{CALICO}/tiers/default", {"spec": {"defaultAction": "Pass"}}),
        ACTION,
    ),
    held(
        "tier default behind kube-baseline",
        "cluster-admin",
        merge(f"{CALICO}/tiers/default", {"spec": {"order": 20000000}}),
        BEFORE,
    ),
    held(
        "tier default without order",
        "administrator",
        put(f"{CALICO}/tiers/default", {"spec": {"order": None, "defaultAction": "Pass"}}),
        ACTION,
    ),
    held(
        "tier default passes, as calico-node",
        "as calico-node",
        merge(f"{CALICO}/tiers/default", {"spec": {"defaultAction": "Pass"}}),
        ACTION,
    ),
    held(
        "tier kube-baseline before default",
        "cluster-admin",
        merge(f"{CALICO}/tiers/kube-baseline", {"spec": {"order": 1}}),
        BEFORE,
    ),
    held(
        "tier kube-admin denies",
        "cluster-admin",
        merge(f"{CALICO}/tiers/kube-admin", {"spec": {"defaultAction": "Deny"}}),
        ACTION,
    ),
    row(
        "tier default through /status",
        "cluster-admin",
        merge(f"{CALICO}/tiers/default/status", {"spec": {"defaultAction": "Pass"}}),
        200,
        dead=200,
    ),
]

BLOCKS = [
    ours("Deny everything out", DNS, types=["Egress"], egress=[{"action": "Deny"}]),
    ours(
        "Deny UDP 53",
        DNS,
        types=["Egress"],
        egress=[{"action": "Deny", "protocol": "UDP", "destination": {"ports": [53]}}],
    ),
    ours(
        "Deny TCP 53",
        DNS,
        types=["Egress"],
        egress=[{"action": "Deny", "protocol": "TCP", "destination": {"ports": ["50:60"]}}],
    ),
    ours(
        "Deny kube-system",
        DNS,
        types=["Egress"],
        egress=[{"action": "Deny", "destination": {"namespaceSelector": "projectcalico.org/name == 'kube-system'"}}],
    ),
    of_all("a global policy denies DNS", DNS, types=["Egress"], egress=[{"action": "Deny", "protocol": "UDP"}]),
]

POLICY_ATTACKS = {
    "policies that let through": LEAKS,
    "orders and tiers": ORDERS_AND_TIERS,
    "DNS": BLOCKS,
}
