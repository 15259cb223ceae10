"""Rule rule-can-decide."""

from __future__ import annotations

from typing import Any

from tests.policy.table import case, gnp, ns, policy, table, tier
from webhook.policy.rules.rule_can_decide import rule_can_decide

SHOP = ns("shop", "dev")


def rules(*ingress: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return policy(ingress=list(ingress), **spec)


def allow(**source: Any) -> dict[str, Any]:
    return {"action": "Allow", "source": source}


def deny(**source: Any) -> dict[str, Any]:
    return {"action": "Deny", "source": source}


NEVER = "matches nothing: its selectors and nets cannot all be true"
DNS_PODS = {"namespaceSelector": "kubernetes.io/metadata.name == 'kube-system'", "selector": "k8s-app == 'kube-dns'"}
NO_DNS = {"action": "Deny", "protocol": "UDP", "destination": {**DNS_PODS, "ports": [53]}}
BEHIND = "behind default-deny (5000), which has decided everything"
A_IS_B = {"selector": "a == 'b'"}
WITHOUT_PORTS = {"ports": [80], "notPorts": ["1:100"]}
SERVICE = {"destination": {"services": {"name": "db"}}}

CASES = [
    case("an Allow of the own namespace", [SHOP, rules(allow(**A_IS_B))], []),
    case("behind default-deny", [SHOP, policy(order=5001)], [f"has order 5001, {BEHIND}"]),
    case("no order", [SHOP, policy(order=None)], [f"has no order, which is the last, {BEHIND}"]),
    case(
        "a tier that is not there",
        [SHOP, policy(tier="none")],
        ["is in tier none, which does not exist: it comes last and decides nothing"],
    ),
    case(
        "a tier behind the baseline's",
        [SHOP, tier("late", order=2_000_000), policy(tier="late")],
        ["is in tier late, behind tier default, where default-deny has decided everything"],
    ),
    case(
        "a policy that selects no pod",
        [SHOP, policy(selector="a == 'b' && a != 'b'")],
        ["selects no pod: its selectors cannot all be true"],
    ),
    case("selectors that contradict", [SHOP, rules(allow(selector="a == 'b' && !has(a)"))], [NEVER]),
    case("an environment that is not declared", [SHOP, rules(allow(namespaceSelector="env == 'staging'"))], [NEVER]),
    case(
        "nets that notNets take away",
        [SHOP, rules(allow(nets=["10.240.1.0/24"], notNets=["10.240.0.0/16"]))],
        ["matches nothing: its notNets take away all that its nets name"],
    ),
    case(
        "ports that notPorts take away",
        [SHOP, rules({**allow(**A_IS_B), "protocol": "TCP", "destination": WITHOUT_PORTS})],
        ["matches nothing: its notPorts take away all its ports"],
    ),
    case(
        "a destination that the policy does not select",
        [SHOP, rules({**allow(**A_IS_B), "destination": {"selector": "c == 'd'"}}, selector="c == 'e'")],
        [NEVER],
    ),
    case(
        "a service without a namespace",
        [SHOP, policy(types=["Egress"], ingress=None, egress=[{"action": "Allow", **SERVICE}])],
        ["matches nothing: a service without namespace is none to Calico"],
    ),
    case(
        "decided by an earlier rule",
        [SHOP, rules(allow(**A_IS_B), deny(selector="a in {'b'} && c == 'd'"))],
        ["decides nothing: spec.ingress[0] decided before"],
    ),
    case(
        "decided by two earlier rules together",
        [SHOP, rules(allow(**A_IS_B), allow(selector="a != 'b'"), allow(selector="c == 'd'"))],
        ["decides nothing: the 2 rules before it together decided before"],
    ),
    case("a Log before it decides nothing", [SHOP, rules({**allow(**A_IS_B), "action": "Log"}, allow(**A_IS_B))], []),
    case("partly decided before", [SHOP, rules(allow(**A_IS_B), deny(selector="c == 'd'"), order=400)], []),
    case(
        "a Deny of what the baseline has let through",
        [SHOP, rules(deny(**A_IS_B))],
        ["denies nothing: shop-ns-allow (order 500) lets it through before"],
    ),
    case("the same in front of it", [SHOP, rules(deny(**A_IS_B), order=499)], []),
    case("at the very order of it the name would decide", [SHOP, rules(deny(**A_IS_B), order=500)], []),
    case("a Deny of more than that", [SHOP, rules(deny(namespaceSelector="env in {'dev', 'test'}"))], []),
    case(
        "a Deny of DNS behind dns-allow",
        [SHOP, policy(order=4500, types=["Egress"], ingress=None, egress=[NO_DNS])],
        ["denies nothing: dns-allow (order 4000) lets it through before"],
    ),
    case("the floor itself is behind default-deny", [gnp("isolation-floor", order=6000)], []),
    case("host endpoints are not pods", [gnp(selector="has(host)", order=9000, preDNAT=True, applyOnForward=True)], []),
]
test_rule_can_decide = table(rule_can_decide, CASES)
