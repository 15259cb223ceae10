"""Every feature of a policy, every pitfall and every known way around the baseline, each with what the guard says of it."""

# ruff: noqa: E501 - one row, one line: such a table is read across

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.policy.table import Manifest, cluster_object, gnp, knp, ns, policy, tier, world
from webhook.policy.objects import Action, Policy, ServiceEndpoints
from webhook.policy.parse import parse_policy
from webhook.policy.ranges import parse_cidr
from webhook.policy.settings import (
    Cidrs,
    DenyForm,
    Dns,
    DnsServers,
    Environment,
    Permit,
    PermitPort,
    Reach,
    Settings,
    SharedDirection,
    SharedNamespace,
)
from webhook.policy.undercut.dead import dead_complaints
from webhook.policy.undercut.judge import block_complaints, leak_complaints
from webhook.policy.world import World, frozen

SETTINGS = Settings(
    environments=tuple(map(Environment, ("dev", "test", "prod"))),
    permits=(Permit("test", "dev"), Permit("prod", "dev", (PermitPort(6, 8080, 8090),))),
    shared_namespaces=(
        SharedNamespace("ingress-nginx", SharedDirection.INGRESS),
        SharedNamespace("logging", SharedDirection.EGRESS),
    ),
    cidrs=Cidrs(
        pods=(parse_cidr("10.240.0.0/16"), parse_cidr("fd00:10::/48")),
        nodes=(parse_cidr("172.16.0.0/24"),),
        ingress=(parse_cidr("198.51.100.0/24"),),
        egress=(parse_cidr("203.0.113.0/24"), parse_cidr("2001:db8::/32")),
    ),
    dns=Dns(node_local=(parse_cidr("169.254.20.10/32"),)),
)
PLACES = [
    ns("shop", "dev"),
    ns("stage", "test"),
    ns("till", "prod"),
    ns("lost", "unassigned"),
    ns("bare", None),
    ns("kube-system", None),
    ns("logging", None),
    ns("ingress-nginx", None),
    tier("early", order=10, defaultAction="Pass"),
    tier("strict", order=20, defaultAction="Deny"),
    tier("abc"),
    tier("zzz"),
    tier("late", order=2_000_000, defaultAction="Deny"),
]
NAME = "kubernetes.io/metadata.name"
DNS_PODS = {"namespaceSelector": f"{NAME} == 'kube-system'", "selector": "k8s-app in {'coredns', 'kube-dns'}"}
ANYTHING: Manifest = {"action": "Allow"}


def ingress(*rules: Manifest, **spec: Any) -> Manifest:
    return policy(types=["Ingress"], ingress=list(rules), **spec)


def egress(*rules: Manifest, **spec: Any) -> Manifest:
    return policy(types=["Egress"], ingress=None, egress=list(rules), **spec)


def source(**entity: Any) -> Manifest:
    return ingress({"action": "Allow", "source": entity})


def destination(**entity: Any) -> Manifest:
    return egress({"action": "Allow", "destination": entity})


def cnp(name: str = "admin", *, tier: str = "Admin", **spec: Any) -> Manifest:
    body = {"tier": tier, "priority": 10, "subject": {"namespaces": {}}, **spec}
    kind, version = "ClusterNetworkPolicy", "policy.networking.k8s.io/v1alpha2"
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": body}


def staged(manifest: Manifest) -> Manifest:
    return {**manifest, "kind": f"Staged{manifest['kind']}"}


def raw(manifest: Manifest) -> Manifest:
    return {**manifest, "apiVersion": "crd.projectcalico.org/v1"}


OK, LEAK, PASS, BLOCK, DEAD = "", "leak", "pass", "block", "dead"

ROWS: list[tuple[str, Manifest, str]] = [
    # Orders and tiers.
    ("tier default, order below 5000", ingress(ANYTHING, order=4999.5), LEAK),
    ("order 5000, a name that sorts first", ingress(ANYTHING, order=5000, name="aaa"), LEAK),
    ("order 5000, a name that sorts last", ingress(ANYTHING, order=5000, name="zzz"), LEAK),
    ("order 5000, the denial's name, global", gnp("default-deny", order=5000, ingress=[ANYTHING]), LEAK),
    ("order above 5000", ingress(ANYTHING, order=5000.5), DEAD),
    ("order 1e308", ingress(ANYTHING, order=1e308), DEAD),
    ("no order", ingress(ANYTHING, order=None), DEAD),
    ("order 0", ingress(ANYTHING, order=0), LEAK),
    ("order -1", ingress(ANYTHING, order=-1), LEAK),
    ("between DNS and the denial", ingress(ANYTHING, order=4500), LEAK),
    ("DNS denied between DNS and the denial", egress({"action": "Deny", "protocol": "UDP", "destination": {**DNS_PODS, "ports": [53]}}, order=4500), DEAD),
    ("DNS denied at order 4000, a name that sorts first", egress({"action": "Deny"}, order=4000, name="a"), BLOCK),
    ("DNS denied at order 4000, a name that sorts last", egress({"action": "Deny"}, order=4000, name="z"), BLOCK),
    ("denied at order 500, the same environment's", ingress({"action": "Deny", "source": {"selector": "a == 'b'"}}, order=500), OK),
    ("an earlier tier allows", ingress(ANYTHING, tier="early"), LEAK),
    ("an earlier tier allows, order irrelevant", ingress(ANYTHING, tier="early", order=9000), LEAK),
    ("an earlier tier passes", ingress({"action": "Pass"}, tier="early"), OK),
    ("an earlier tier passes, then allows the rest", ingress({"action": "Pass"}, ANYTHING, tier="early"), DEAD),
    ("an earlier tier that drops, selected only", egress(tier="strict"), BLOCK),
    ("an earlier tier that drops, Log only", egress({"action": "Log"}, tier="strict"), BLOCK),
    ("an earlier tier that drops, for ingress only", ingress(tier="strict"), OK),
    ("an earlier tier that drops, which passes DNS on", egress({"action": "Pass", "protocol": "UDP"}, {"action": "Pass", "protocol": "TCP"}, tier="strict"), OK),
    ("an earlier tier that drops, which passes UDP on", egress({"action": "Pass", "protocol": "UDP"}, tier="strict"), BLOCK),
    ("a tier without order whose name sorts first", ingress(ANYTHING, tier="abc"), LEAK),
    ("a tier without order whose name sorts last", ingress(ANYTHING, tier="zzz"), DEAD),
    ("a later tier", ingress(ANYTHING, tier="late"), DEAD),
    ("a tier that does not exist", ingress(ANYTHING, tier="ghost"), DEAD),
    ("kube-admin, which no world need name", ingress(ANYTHING, tier="kube-admin"), LEAK),
    ("kube-baseline", ingress(ANYTHING, tier="kube-baseline"), DEAD),
    ("Pass in the baseline's tier", ingress({"action": "Pass"}), PASS),
    ("Pass of what is permitted", ingress({"action": "Pass", "source": {"namespaceSelector": "env == 'test'"}}), OK),
    ("Pass of DNS in the baseline's tier", egress({"action": "Pass", "protocol": "UDP", "destination": {**DNS_PODS, "ports": [53]}}), BLOCK),
    # Kinds.
    ("staged", staged(ingress(ANYTHING)), LEAK),
    ("staged in a later tier", staged(ingress(ANYTHING, tier="late")), DEAD),
    ("staged to be deleted", staged(ingress(ANYTHING, stagedAction="Delete")), OK),
    ("global, of every environment", gnp(ingress=[{"action": "Allow", "source": {"namespaceSelector": "env == 'dev'"}}]), LEAK),
    ("global, of one environment, for that", gnp(namespaceSelector="env == 'dev'", ingress=[{"action": "Allow", "source": {"namespaceSelector": "env == 'dev'"}}]), OK),
    ("global, of one environment, for another", gnp(namespaceSelector="env == 'prod'", ingress=[{"action": "Allow", "source": {"namespaceSelector": "env == 'dev'"}}]), LEAK),
    ("global, of one namespace by name", gnp(selector="projectcalico.org/namespace == 'stage'", ingress=[{"action": "Allow", "source": {"namespaceSelector": f"{NAME} == 'stage'"}}]), OK),
    ("global, selecting by an inherited label", gnp(selector="pcns.env == 'dev'", ingress=[{"action": "Allow", "source": {"selector": "pcns.env == 'test'"}}]), OK),
    ("global, of kube-system only", gnp(namespaceSelector=f"{NAME} == 'kube-system'", ingress=[ANYTHING]), OK),
    ("global, of hosts", gnp(selector="has(host)", namespaceSelector=None, doNotTrack=True, applyOnForward=True, ingress=[ANYTHING]), OK),
    ("global, preDNAT", gnp(selector="has(host)", preDNAT=True, applyOnForward=True, ingress=[ANYTHING]), OK),
    ("global, applied on forward, governs pods as well", gnp(applyOnForward=True, ingress=[ANYTHING]), LEAK),
    ("Kubernetes, everybody", knp(ingress=[{}]), LEAK),
    ("Kubernetes, all namespaces", knp(ingress=[{"from": [{"namespaceSelector": {}}]}]), LEAK),
    ("Kubernetes, all addresses", knp(ingress=[{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]), LEAK),
    ("Kubernetes, the own namespace", knp(ingress=[{"from": [{"podSelector": {}}]}]), OK),
    ("Kubernetes, a permitted environment", knp(ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"env": "test"}}}]}]), OK),
    ("Kubernetes, a listed range but a part", knp(policyTypes=["Egress"], egress=[{"to": [{"ipBlock": {"cidr": "203.0.113.0/24", "except": ["203.0.113.7/32"]}}]}]), OK),
    ("Kubernetes, isolating without rules", knp(policyTypes=["Ingress", "Egress"]), OK),
    ("cluster-wide, Admin, Accept", cnp(ingress=[{"action": "Accept", "from": [{"namespaces": {}}]}]), LEAK),
    ("cluster-wide, Admin, Deny DNS", cnp(egress=[{"action": "Deny", "to": [{"networks": ["0.0.0.0/0"]}]}]), BLOCK),
    ("cluster-wide, Admin, Pass", cnp(ingress=[{"action": "Pass", "from": [{"namespaces": {}}]}]), OK),
    ("cluster-wide, Baseline", cnp(tier="Baseline", ingress=[{"action": "Accept", "from": [{"namespaces": {}}]}]), DEAD),
    # Types.
    ("raw, without types, governs both ways", raw(policy(types=None, ingress=None, egress=[ANYTHING])), LEAK),
    ("rules of a direction that types lack", policy(types=["Egress"], ingress=[ANYTHING]), OK),
    # Addresses.
    ("every address", destination(nets=["0.0.0.0/0"]), LEAK),
    ("two halves of every address", destination(nets=["0.0.0.0/1", "128.0.0.0/1"]), LEAK),
    ("256 parts of every address", destination(nets=[f"{n}.0.0.0/8" for n in range(256)]), LEAK),
    ("every address of IPv6", destination(nets=["::/0"]), LEAK),
    ("a listed range", destination(nets=["203.0.113.0/24"]), OK),
    ("a listed range of IPv6", destination(nets=["2001:db8:1::/48"]), OK),
    ("a listed range, and one address more", destination(nets=["203.0.113.0/24", "203.0.114.0/32"]), LEAK),
    ("a range listed for the other direction", source(nets=["203.0.113.0/24"]), LEAK),
    ("a pod's address", source(nets=["10.240.3.4/32"]), LEAK),
    ("all but the pods' ranges", destination(nets=["0.0.0.0/0"], notNets=["10.240.0.0/16"]), LEAK),
    ("notNets that leave what is listed", destination(nets=["203.0.112.0/23"], notNets=["203.0.112.0/24"]), OK),
    ("notNets with everything disable the rule", destination(nets=["1.0.0.0/8"], notNets=["0.0.0.0/0"]), DEAD),
    ("an address of a node, inbound", source(nets=["172.16.0.9/32"]), OK),
    ("an address of a node, outbound", destination(nets=["172.16.0.9/32"]), LEAK),
    ("the node's own resolver on port 53", egress({"action": "Allow", "protocol": "UDP", "destination": {"nets": ["169.254.20.10/32"], "ports": [53]}}), OK),
    ("the node's own resolver on port 54", egress({"action": "Allow", "protocol": "UDP", "destination": {"nets": ["169.254.20.10/32"], "ports": [54]}}), LEAK),
    ("no range of the rule's family", egress({"action": "Allow", "ipVersion": 6, "destination": {"nets": ["203.0.113.0/24"]}}), DEAD),
    ("nets and a selector, both must hold", destination(nets=["0.0.0.0/0"], namespaceSelector="env == 'dev'"), OK),
    # Selectors.
    ("no peer at all", ingress(ANYTHING), LEAK),
    ("a selector alone is of the own namespace", source(selector="app == 'x'"), OK),
    ("all() alone is of the own namespace", source(selector="all()"), OK),
    ("notSelector alone is of the own namespace", source(notSelector="app == 'x'"), OK),
    ("notSelector alone in a global policy", gnp(namespaceSelector="env == 'dev'", ingress=[{"action": "Allow", "source": {"notSelector": "has(pcns.env)"}}]), LEAK),
    ("the own environment", source(namespaceSelector="env == 'dev'"), OK),
    ("a permitted environment", source(namespaceSelector="env == 'test'"), OK),
    ("both", source(namespaceSelector="env in {'dev', 'test'}"), OK),
    ("an environment without a permit", egress({"action": "Allow", "destination": {"namespaceSelector": "env == 'test'"}}), LEAK),
    ("not the own environment", source(namespaceSelector="!(env == 'dev')"), LEAK),
    ("all but one environment", source(namespaceSelector="env != 'prod'"), LEAK),
    ("all but one, of those with a label", source(namespaceSelector="has(env) && env != 'prod'"), LEAK),
    ("without an environment", source(namespaceSelector="!has(env)"), LEAK),
    ("unassigned", source(namespaceSelector="env == 'unassigned'"), LEAK),
    ("all but all that are not permitted", source(namespaceSelector="has(env) && env not in {'prod', 'unassigned'}"), OK),
    ("part of a word that only one environment has", source(namespaceSelector="env contains 'es'"), OK),
    ("the same without it", source(namespaceSelector="env contains 'es' && env != 'test'"), DEAD),
    ("another label of namespaces", source(namespaceSelector="team == 'a'"), LEAK),
    ("another label within the environment", source(namespaceSelector="team == 'a' && env == 'dev'"), OK),
    ("another label or the environment", source(namespaceSelector="team == 'a' || env == 'dev'"), LEAK),
    ("a label whose name has slashes and dots", source(namespaceSelector="a.b/c.d_e == 'x'"), LEAK),
    ("an inherited label written out", source(namespaceSelector="all()", selector="pcns.env == 'dev'"), OK),
    ("a namespace by its name", source(namespaceSelector=f"{NAME} == 'stage'"), OK),
    ("a namespace by Calico's label", source(namespaceSelector="projectcalico.org/name == 'stage'"), OK),
    ("a namespace by the pods' label", source(namespaceSelector="all()", selector="projectcalico.org/namespace == 'stage'"), OK),
    ("a namespace of another environment by its name", source(namespaceSelector=f"{NAME} == 'lost'"), LEAK),
    ("a name that is not there yet", source(namespaceSelector=f"{NAME} == 'new'"), LEAK),
    ("a name that is not there yet, of an environment", source(namespaceSelector=f"{NAME} == 'new' && env == 'dev'"), OK),
    ("two names that contradict", source(namespaceSelector=f"{NAME} == 'stage' && projectcalico.org/name == 'shop'"), DEAD),
    ("names that begin alike", source(namespaceSelector=f"{NAME} starts with 'sho'"), LEAK),
    ("a shared namespace, inbound", source(namespaceSelector=f"{NAME} == 'ingress-nginx'"), OK),
    ("a shared namespace, outbound", destination(namespaceSelector=f"{NAME} == 'ingress-nginx'"), LEAK),
    ("a namespace shared the other way", destination(namespaceSelector=f"{NAME} == 'logging'"), OK),
    ("all()", source(namespaceSelector="all()"), LEAK),
    ("!all() is global()", source(namespaceSelector="!all()"), LEAK),
    ("global()", source(namespaceSelector="global()"), LEAK),
    ("global() outbound, hosts and sets", destination(namespaceSelector="global()"), LEAK),
    ("service accounts of the own namespace", source(serviceAccounts={"names": ["robot"]}), OK),
    ("service accounts anywhere", source(serviceAccounts={"names": ["robot"]}, namespaceSelector="all()"), LEAK),
    ("service accounts of an environment", source(serviceAccounts={"selector": "a == 'b'"}, namespaceSelector="env == 'dev'"), OK),
    # Protocols and ports.
    ("a permitted port", ingress({"action": "Allow", "protocol": "TCP", "source": {"namespaceSelector": "env == 'prod'"}, "destination": {"ports": ["8080:8090"]}}), OK),
    ("one port more than is permitted", ingress({"action": "Allow", "protocol": "TCP", "source": {"namespaceSelector": "env == 'prod'"}, "destination": {"ports": ["8080:8091"]}}), LEAK),
    ("the permitted port of another protocol", ingress({"action": "Allow", "protocol": "UDP", "source": {"namespaceSelector": "env == 'prod'"}, "destination": {"ports": [8080]}}), LEAK),
    ("the permitted number as source port", ingress({"action": "Allow", "protocol": "TCP", "source": {"namespaceSelector": "env == 'prod'", "ports": [8080]}}), LEAK),
    ("a name for a permitted number", ingress({"action": "Allow", "protocol": "TCP", "source": {"namespaceSelector": "env == 'prod'"}, "destination": {"ports": ["http"]}}), LEAK),
    ("a name, outbound", egress({"action": "Allow", "protocol": "TCP", "destination": {"ports": ["http"]}}), LEAK),
    ("a name in the own environment", egress({"action": "Allow", "protocol": "TCP", "destination": {"namespaceSelector": "env == 'dev'", "ports": ["http"]}}), OK),
    ("notPorts that leave what is permitted", ingress({"action": "Allow", "protocol": "TCP", "source": {"namespaceSelector": "env == 'prod'"}, "destination": {"notPorts": ["1:8079", "8091:65535"]}}), OK),
    ("ports and notPorts that leave what is permitted", ingress({"action": "Allow", "protocol": "TCP", "source": {"namespaceSelector": "env == 'prod'"}, "destination": {"ports": ["8000:9000"], "notPorts": ["8000:8079", "8091:9000"]}}), OK),
    ("one protocol", ingress({"action": "Allow", "protocol": "ICMP"}), LEAK),
    ("all but one protocol", ingress({"action": "Allow", "notProtocol": "TCP"}), LEAK),
    ("one kind of ICMP", ingress({"action": "Allow", "protocol": "ICMP", "icmp": {"type": 8, "code": 0}}), LEAK),
    ("one kind of ICMP, denied before", ingress({"action": "Deny", "protocol": "ICMP", "icmp": {"type": 8}}, {"action": "Allow", "protocol": "ICMP", "icmp": {"type": 8, "code": 3}}), DEAD),
    ("another kind of ICMP, denied before", ingress({"action": "Deny", "protocol": "ICMP", "icmp": {"type": 8}}, {"action": "Allow", "protocol": "ICMP", "icmp": {"type": 3}}), LEAK),
    ("http narrows nothing", ingress({"action": "Allow", "http": {"methods": ["GET"]}}), LEAK),
    # Services.
    ("a service with a selector, of the own environment", destination(services={"name": "web", "namespace": "shop"}), OK),
    ("a service with a selector, of another", destination(services={"name": "web", "namespace": "till"}), LEAK),
    ("a service with slices of its own", destination(services={"name": "manual", "namespace": "shop"}), LEAK),
    ("a service that is not there", destination(services={"name": "none", "namespace": "shop"}), LEAK),
    ("a service without namespace", destination(services={"name": "web"}), DEAD),
    ("a service as the source", source(services={"name": "manual", "namespace": "shop"}), LEAK),
    # Several rules.
    ("denied and then allowed", ingress({"action": "Deny", "source": {"namespaceSelector": "env not in {'dev', 'test'}"}}, {"action": "Allow", "source": {"namespaceSelector": "all()"}}), OK),
    ("allowed and then denied", ingress({"action": "Allow", "source": {"namespaceSelector": "all()"}}, {"action": "Deny", "source": {"namespaceSelector": "env not in {'dev', 'test'}"}}), LEAK),
    ("denied for one protocol and then allowed", ingress({"action": "Deny", "protocol": "TCP", "source": {"namespaceSelector": "env not in {'dev', 'test'}"}}, {"action": "Allow", "source": {"namespaceSelector": "all()"}}), LEAK),
    ("denied by ranges of both families and then allowed", ingress({"action": "Deny", "source": {"nets": ["0.0.0.0/0"]}}, {"action": "Deny", "source": {"nets": ["::/0"]}}, ANYTHING), DEAD),
    ("denied by the range of one family and then allowed", ingress({"action": "Deny", "source": {"nets": ["0.0.0.0/0"]}}, ANYTHING), LEAK),
    ("denied by ports in two rules and then allowed", ingress({"action": "Deny", "protocol": "TCP", "destination": {"ports": ["1:1000"]}}, {"action": "Deny", "protocol": "TCP", "destination": {"ports": ["1001:65535"]}}, {"action": "Allow", "protocol": "TCP", "destination": {"ports": [80]}}), DEAD),
    ("denied for pods with a label and then allowed", ingress({"action": "Deny", "source": {"namespaceSelector": "all()", "selector": "bad == 'yes'"}}, {"action": "Allow", "source": {"namespaceSelector": "env == 'prod'"}}), LEAK),
    ("denied for some subjects and then allowed for them", ingress({"action": "Deny", "destination": {"selector": "a == 'b'"}}, {"action": "Allow", "destination": {"selector": "a == 'b' && c == 'd'"}}), DEAD),
    ("denied by a port's name and then allowed by it", ingress({"action": "Deny", "protocol": "TCP", "destination": {"ports": ["http"]}}, {"action": "Allow", "protocol": "TCP", "destination": {"ports": ["http"]}}), DEAD),
    ("denied by a port's name and then allowed by number", ingress({"action": "Deny", "protocol": "TCP", "destination": {"ports": ["http"]}}, {"action": "Allow", "protocol": "TCP", "destination": {"ports": [80]}}), LEAK),
    ("logged and then allowed", ingress({"action": "Log"}, ANYTHING), LEAK),
    # What is not read as it is written: the guard refuses it by rules of its own, and judges what is in force.
    ("a selector that closes the bracket", raw(ingress({"action": "Allow", "source": {"namespaceSelector": "env == 'dev'"}}, selector="all()) || (all()")), LEAK),
    ("one bad rule takes the policy away", raw(ingress(ANYTHING, {"action": "Allow", "protocol": "foo"})), OK),
    ("nets that are none are no constraint", raw(destination(nets=["x"])), LEAK),
    ("a literal with all()", source(namespaceSelector="env == 'all()'"), DEAD),
]  # fmt: skip


def everywhere(settings: Settings = SETTINGS, *others: Manifest) -> World:
    services = {
        ("shop", "web"): ServiceEndpoints("shop", "web", has_selector=True),
        ("till", "web"): ServiceEndpoints("till", "web", has_selector=True),
        ("shop", "manual"): ServiceEndpoints("shop", "manual", has_selector=False),
    }
    return world(*PLACES, *others, settings=settings, services=frozen(services))


def verdict_on(subject: Policy, at: World) -> str:
    said = {
        LEAK: leak_complaints(subject, at),
        PASS: leak_complaints(subject, at, Action.PASS),
        BLOCK: block_complaints(subject, at),
        DEAD: dead_complaints(subject, at),
    }
    return "".join(word for word, complaints in said.items() if any(complaints))


@pytest.mark.parametrize(("manifest", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_treatment(manifest: Manifest, expected: str) -> None:
    assert verdict_on(parse_policy(manifest), everywhere()) == expected


def test_no_row_is_there_twice() -> None:
    assert len({row[0] for row in ROWS}) == len(ROWS)


SET_IN_SHOP = cluster_object("NetworkSet", "s", labels={"role": "api"}, nets=["192.0.2.0/24"])
OTHERS: list[tuple[str, Manifest, Settings, list[Manifest], str]] = [
    ("the article's allow, permitted", source(namespaceSelector="env == 'test'"), SETTINGS, [], OK),
    ("the article's allow, not permitted", source(namespaceSelector="env == 'test'"), replace(SETTINGS, permits=()), [], LEAK),
    ("the own environment, each namespace for itself", source(namespaceSelector="env == 'dev'"), replace(SETTINGS, same_environment=Reach.NAMESPACE), [], LEAK),
    ("the own environment, none", source(namespaceSelector="env == 'dev'"), replace(SETTINGS, same_environment=Reach.NONE), [], LEAK),
    ("the own namespace, none", source(selector="all()"), replace(SETTINGS, same_environment=Reach.NONE), [], OK),
    ("behind a denial without rules", ingress(ANYTHING, order=5500), replace(SETTINGS, deny_form=DenyForm.RULELESS), [], LEAK),
    ("behind the floor as well", ingress(ANYTHING, order=6500), replace(SETTINGS, deny_form=DenyForm.RULELESS), [], DEAD),
    ("no order, without rules", ingress(ANYTHING, order=None), replace(SETTINGS, deny_form=DenyForm.RULELESS), [], DEAD),
    ("a set that exists", source(selector="role == 'api'"), SETTINGS, [SET_IN_SHOP], LEAK),
    ("a set that exists, of the own environment", source(namespaceSelector="env == 'dev'"), SETTINGS, [SET_IN_SHOP], LEAK),
    ("a set that exists, but pods only", source(selector="role == 'api' && projectcalico.org/orchestrator == 'k8s'"), SETTINGS, [SET_IN_SHOP], OK),
    ("an unlisted range where pods' ranges are not known", source(nets=["10.0.0.0/8"]), replace(SETTINGS, cidrs=Cidrs()), [], LEAK),
    ("a listed range where pods' ranges are not known", source(nets=["10.0.0.0/8"]), replace(SETTINGS, cidrs=Cidrs(ingress=(parse_cidr("10.0.0.0/8"),))), [], OK),
    ("a denied address of the internet where pods' ranges are not known", egress({"action": "Deny", "destination": {"nets": ["8.8.8.8/32"]}}), replace(SETTINGS, cidrs=Cidrs()), [], OK),
    ("a denied private range where pods' ranges are not known", egress({"action": "Deny", "destination": {"nets": ["10.0.0.0/8"]}}), replace(SETTINGS, cidrs=Cidrs()), [], BLOCK),
    ("DNS on another port", egress({"action": "Deny", "protocol": "UDP", "destination": {"ports": [5353]}}), replace(SETTINGS, dns=Dns(ports=(5353,))), [], BLOCK),
    ("DNS in a namespace of one's own", egress({"action": "Allow", "destination": {"namespaceSelector": f"{NAME} == 'openshift-dns'"}}), replace(SETTINGS, dns=Dns((DnsServers("openshift-dns", "dns == 'default'"),))), [], LEAK),
    ("the resolver of the node denied", egress({"action": "Deny", "destination": {"nets": ["169.254.20.10/32"]}}), SETTINGS, [], BLOCK),
    ("a namespace whose environment is not declared", source(namespaceSelector="env == 'staging'"), SETTINGS, [ns("old", "staging")], LEAK),
]  # fmt: skip


@pytest.mark.parametrize(
    ("manifest", "settings", "others", "expected"), [row[1:] for row in OTHERS], ids=[row[0] for row in OTHERS]
)
def test_treatment_under_other_settings(
    manifest: Manifest, settings: Settings, others: list[Manifest], expected: str
) -> None:
    assert verdict_on(parse_policy(manifest), everywhere(settings, *others)) == expected


def test_the_split_across_two_policies_does_not_help() -> None:
    """A Deny of another policy may go tomorrow, so it excuses no Allow."""
    deny = ingress({"action": "Deny", "source": {"namespaceSelector": "env != 'dev'"}}, order=500, name="first")
    allow = parse_policy(source(namespaceSelector="all()"))
    assert verdict_on(allow, everywhere(SETTINGS, deny)) == LEAK


def test_a_namespace_relabelled_makes_an_accepted_policy_leak() -> None:
    """The environments of named namespaces are what they are when the policy is judged."""
    named = parse_policy(source(namespaceSelector=f"{NAME} == 'stage'"))
    moved = world(
        *(ns("stage", "prod") if place["metadata"]["name"] == "stage" else place for place in PLACES), settings=SETTINGS
    )
    assert verdict_on(named, everywhere()) == OK
    assert verdict_on(named, moved) == LEAK
