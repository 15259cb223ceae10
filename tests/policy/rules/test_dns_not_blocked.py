"""Rule dns-not-blocked."""

from __future__ import annotations

from typing import Any

from tests.policy.table import case, found, gnp, ns, policy, table, tier
from webhook.policy.rules.dns_not_blocked import dns_not_blocked

SHOP = ns("shop", "dev")
NAME = "kubernetes.io/metadata.name"
DNS = {"namespaceSelector": f"{NAME} == 'kube-system'", "selector": "k8s-app in {'coredns', 'kube-dns'}"}
CUT = "cuts shop off from DNS"


def deny(**rule: Any) -> dict[str, Any]:
    return policy(types=["Egress"], ingress=None, egress=[{"action": "Deny", **rule}])


def allowed(protocol: str) -> dict[str, Any]:
    return {"action": "Allow", "protocol": protocol, "destination": {**DNS, "ports": [53]}}


def in_tier(*egress: dict[str, Any], name: str = "early", types: tuple[str, ...] = ("Egress",)) -> dict[str, Any]:
    return policy(tier=name, types=list(types), ingress=None, egress=list(egress) or None)


def everywhere(**spec: Any) -> dict[str, Any]:
    return gnp(types=["Egress"], ingress=None, egress=[{"action": "Deny"}], **spec)


def at(order: float) -> dict[str, Any]:
    return policy(order=order, types=["Egress"], ingress=None, egress=[{"action": "Deny"}])


EARLY = tier("early", order=10, defaultAction="Deny")
DROPS = "selects shop in tier early, which drops what its policies leave undecided: DNS too"
IN_ABC = DROPS.replace("early", "abc")

CASES = [
    case("all egress", [SHOP, deny()], [CUT]),
    case("UDP only", [SHOP, deny(protocol="UDP")], [CUT]),
    case("TCP only, on which long answers come", [SHOP, deny(protocol="TCP", destination={"ports": [53]})], [CUT]),
    case("everything but UDP, so TCP", [SHOP, deny(notProtocol="UDP")], [CUT]),
    case("ICMP is no DNS", [SHOP, deny(protocol="ICMP")], []),
    case("all ports but 53", [SHOP, deny(protocol="UDP", destination={"notPorts": [53]})], []),
    case("DNS of the internet", [SHOP, deny(protocol="UDP", destination={"nets": ["8.8.8.8/32"], "ports": [53]})], []),
    case("part of the pods' range", [SHOP, deny(destination={"nets": ["10.240.4.0/24"]})], [CUT]),
    case(
        "all but the pods' range", [SHOP, deny(destination={"nets": ["0.0.0.0/0"], "notNets": ["10.240.0.0/16"]})], []
    ),
    case("pods that are not DNS", [SHOP, deny(destination={"namespaceSelector": "env == 'prod'"})], []),
    case("namespaces without an environment", [SHOP, deny(destination={"namespaceSelector": "!has(env)"})], [CUT]),
    case("a port by its name", [SHOP, deny(protocol="UDP", destination={"ports": ["dns"]})], [CUT]),
    case("ingress", [SHOP, policy(ingress=[{"action": "Deny"}])], []),
    case("at the order of dns-allow the name would decide", [SHOP, at(4000)], [CUT]),
    case("behind dns-allow", [SHOP, at(4001)], []),
    case(
        "allowed before in the same policy",
        [SHOP, policy(types=["Egress"], ingress=None, egress=[allowed("UDP"), allowed("TCP"), {"action": "Deny"}])],
        [],
    ),
    case(
        "allowed before for one protocol",
        [SHOP, policy(types=["Egress"], ingress=None, egress=[allowed("UDP"), {"action": "Deny"}])],
        [CUT],
    ),
    case(
        "allowed afterwards",
        [SHOP, policy(types=["Egress"], ingress=None, egress=[{"action": "Deny"}, allowed("UDP"), allowed("TCP")])],
        [CUT],
    ),
    case(
        "a Pass, behind which nothing promises DNS",
        [SHOP, policy(types=["Egress"], ingress=None, egress=[{"action": "Pass"}])],
        ["takes shop's DNS out of the baseline's tier, where nothing promises it"],
    ),
    case(
        "in an earlier tier that ends in a drop, to be selected is enough",
        [SHOP, EARLY, in_tier({"action": "Log"})],
        [DROPS, f"gives effect to NetworkPolicy shop/web, which {DROPS}"],
    ),
    case("in such a tier, ended by a Pass", [SHOP, EARLY, in_tier({"action": "Pass"})], []),
    case("in such a tier, for ingress only", [SHOP, EARLY, in_tier(types=("Ingress",))], []),
    case("in an earlier tier that passes on", [SHOP, tier("early", order=10, defaultAction="Pass"), in_tier()], []),
    case(
        "in a tier without order, whose name comes first",
        [SHOP, tier("abc"), in_tier(name="abc")],
        [IN_ABC, f"gives effect to NetworkPolicy shop/web, which {IN_ABC}"],
    ),
    case("in a tier without order, whose name comes last", [SHOP, tier("zzz"), in_tier(name="zzz")], []),
    case("of exempt namespaces only", [everywhere(namespaceSelector=f"{NAME} == 'kube-system'")], []),
    case("of host endpoints", [everywhere(selector="has(host)", doNotTrack=True, applyOnForward=True)], []),
    case("of all there is", [everywhere()], ["cuts every namespace off from DNS"]),
]
test_dns_not_blocked = table(dns_not_blocked, CASES)


def test_a_finding_shows_the_lost_query() -> None:
    (finding,) = found(dns_not_blocked, case("", [SHOP, deny()], []))
    assert finding.path == "spec.egress[0]"
    assert finding.example == (
        "a pod of shop (env=dev) -> a pod of kube-system with k8s-app=coredns (without env) UDP 53, "
        "today let through by dns-allow (order 4000)"
    )
    assert finding.fix == "allow UDP and TCP 53 to the DNS pods in a rule before spec.egress[0]"
    assert finding.because[0] == "order 600 comes before dns-allow (order 4000)"
