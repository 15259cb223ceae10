"""The baseline as it is written, in every API, and what counts as a difference from it."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from tests.policy.table import SETTINGS, ns, world
from webhook.policy.baseline import desired, differences, is_reserved, isolation_floor, manifest, missing
from webhook.policy.objects import CalicoApi, InvalidObject, Namespace, Ref
from webhook.policy.parse import parse
from webhook.policy.ranges import parse_cidr
from webhook.policy.settings import DenyForm, Dns, DnsServers, Reach, Settings

POD = "projectcalico.org/orchestrator == 'k8s'"
DNS_PODS = {
    "namespaceSelector": "kubernetes.io/metadata.name == 'kube-system'",
    "selector": f"(k8s-app in {{'coredns', 'kube-dns'}}) && {POD}",
    "ports": [53],
}
DNS_RULES = [{"action": "Allow", "protocol": p, "destination": DNS_PODS} for p in ("UDP", "TCP")]
BOTH = ["Ingress", "Egress"]
DENY = [{"action": "Deny"}]


def namespace(name: str = "development", env: str | None = "dev") -> Namespace:
    found = parse(ns(name, env))
    assert isinstance(found, Namespace)
    return found


def specs(settings: Settings = SETTINGS, env: str | None = "dev") -> dict[str, Any]:
    return {wanted.name: wanted.spec for wanted in desired(namespace(env=env), settings)}


def same(selector: str) -> dict[str, Any]:
    peer = {"namespaceSelector": selector, "selector": POD}
    return {
        "tier": "default",
        "order": 500,
        "selector": "all()",
        "types": BOTH,
        "ingress": [{"action": "Allow", "source": peer}],
        "egress": [{"action": "Allow", "destination": peer}],
    }


DEFAULT_DENY = {"tier": "default", "order": 5000, "selector": "all()", "types": BOTH, "ingress": DENY, "egress": DENY}
DNS_ALLOW = {"tier": "default", "order": 4000, "selector": "all()", "types": ["Egress"], "egress": DNS_RULES}


def test_three_policies_of_the_article() -> None:
    assert specs() == {
        "default-deny": DEFAULT_DENY,
        "dns-allow": DNS_ALLOW,
        "development-ns-allow": same("env == 'dev'"),
    }


OWN = same("kubernetes.io/metadata.name == 'development'")
REACHES = [
    ("unassigned", SETTINGS, "unassigned", OWN),
    ("no label, and the name fits", SETTINGS, None, same("env == 'dev'")),
    ("no declared environment", SETTINGS, "qa", OWN),
    ("only the namespace", replace(SETTINGS, same_environment=Reach.NAMESPACE), "dev", OWN),
    ("another label", replace(SETTINGS, environment_label="stage"), None, same("stage == 'dev'")),
]


@pytest.mark.parametrize(("title", "settings", "env", "expected"), REACHES, ids=[row[0] for row in REACHES])
def test_the_allow_reaches(title: str, settings: Settings, env: str | None, expected: dict[str, Any]) -> None:
    assert specs(settings, env)["development-ns-allow"] == expected


def test_no_allow_when_none_is_asked_for() -> None:
    assert set(specs(replace(SETTINGS, same_environment=Reach.NONE))) == {"default-deny", "dns-allow"}


def test_the_article_form_has_no_rules() -> None:
    denied = {key: value for key, value in DEFAULT_DENY.items() if key not in ("ingress", "egress")}
    assert specs(replace(SETTINGS, deny_form=DenyForm.RULELESS))["default-deny"] == denied


def test_dns_on_the_node_and_on_other_ports() -> None:
    dns = Dns(node_local=(parse_cidr("169.254.20.10/32"),), ports=(53, 5353), servers=(DnsServers("dns", "a == 'b'"),))
    pods = {
        "namespaceSelector": "kubernetes.io/metadata.name == 'dns'",
        "selector": f"(a == 'b') && {POD}",
        "ports": [53, 5353],
    }
    node = {"nets": ["169.254.20.10/32"], "ports": [53, 5353]}
    assert specs(replace(SETTINGS, dns=dns))["dns-allow"]["egress"] == [
        {"action": "Allow", "protocol": protocol, "destination": place}
        for place in (pods, node)
        for protocol in ("UDP", "TCP")
    ]


def test_the_floor() -> None:
    floor = isolation_floor(replace(SETTINGS, exempt_namespaces=frozenset({"kube-system", "calico-system"})))
    assert (floor.name, floor.namespace, floor.kind) == ("isolation-floor", "", "GlobalNetworkPolicy")
    assert floor.spec == {
        "tier": "default",
        "order": 6000,
        "namespaceSelector": "has(kubernetes.io/metadata.name)"
        " && kubernetes.io/metadata.name not in {'calico-system', 'kube-system'}",
        "types": BOTH,
        "ingress": DENY,
        "egress": [*DNS_RULES, *DENY],
    }


API_VERSIONS = [
    (CalicoApi.V1, "crd.projectcalico.org/v1"),
    (CalicoApi.AGGREGATED, "projectcalico.org/v3"),
    (CalicoApi.NATIVE, "projectcalico.org/v3"),
    (CalicoApi.KUBERNETES, "networking.k8s.io/v1"),
]


@pytest.mark.parametrize(("api", "version"), API_VERSIONS)
def test_written_for_each_api(api: CalicoApi, version: str) -> None:
    wanted = desired(namespace(), SETTINGS)[0]
    written = manifest(wanted, api, SETTINGS)
    assert (written["apiVersion"], written["kind"]) == (version, "NetworkPolicy")
    assert written["metadata"] == {
        "name": "default-deny",
        "namespace": "development",
        "labels": {"app.kubernetes.io/managed-by": "isolation-baseline"},
        "annotations": {"isolation-baseline.io/settings": SETTINGS.generation},
    }


def test_in_networking_k8s_io() -> None:
    dns = replace(SETTINGS.dns, node_local=(parse_cidr("169.254.20.10/32"),))
    settings = replace(SETTINGS, dns=dns)
    found = {
        wanted.name: manifest(wanted, CalicoApi.KUBERNETES, settings)["spec"]
        for wanted in desired(namespace(), settings)
    }
    peer = {"namespaceSelector": {"matchLabels": {"env": "dev"}}}
    servers = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
        "podSelector": {"matchExpressions": [{"key": "k8s-app", "operator": "In", "values": ["coredns", "kube-dns"]}]},
    }
    assert found == {
        "default-deny": {"podSelector": {}, "policyTypes": BOTH},
        "dns-allow": {
            "podSelector": {},
            "policyTypes": ["Egress"],
            "egress": [
                {
                    "to": [servers, {"ipBlock": {"cidr": "169.254.20.10/32"}}],
                    "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
                }
            ],
        },
        "development-ns-allow": {
            "podSelector": {},
            "policyTypes": BOTH,
            "ingress": [{"from": [peer]}],
            "egress": [{"to": [peer]}],
        },
    }


SELECTORS: list[tuple[str, dict[str, Any] | None]] = [
    ("all()", {}),
    ("a == 'b' && c == 'd'", {"matchLabels": {"a": "b", "c": "d"}}),
    (
        "a == 'b' && a == 'c'",
        {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "a", "operator": "In", "values": ["c"]}]},
    ),
    ("a != 'b'", {"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]}),
    ("a not in {'b'}", {"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]}),
    ("has(a)", {"matchExpressions": [{"key": "a", "operator": "Exists"}]}),
    ("!has(a)", {"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}),
    ("a == 'b' || c == 'd'", None),
    ("a contains 'b'", None),
    ("a in {}", None),
]


@pytest.mark.parametrize(("selector", "expected"), SELECTORS)
def test_selectors_of_dns_in_networking_k8s_io(selector: str, expected: dict[str, Any] | None) -> None:
    settings = replace(SETTINGS, dns=Dns(servers=(DnsServers("dns", selector),)))
    wanted = desired(namespace(), settings)[1]
    if expected is None:
        with pytest.raises(InvalidObject, match=r"dns\.selectors\[0\]: .* cannot be said"):
            manifest(wanted, CalicoApi.KUBERNETES, settings)
        return
    spec = manifest(wanted, CalicoApi.KUBERNETES, settings)["spec"]
    assert spec["egress"][0]["to"][0]["podSelector"] == expected


ASKED = manifest(desired(namespace(), SETTINGS)[2], CalicoApi.V1, SETTINGS)


def stored(**changes: Any) -> dict[str, Any]:
    """What is asked for with keys of the spec (or `metadata__x` of the metadata) replaced; `None` takes one away."""
    found = copy.deepcopy(ASKED)
    for key, value in changes.items():
        where, name = (found["metadata"], key[10:]) if key.startswith("metadata__") else (found["spec"], key)
        where[name] = value
        if value is None:
            del where[name]
    return found


PEER = ASKED["spec"]["ingress"][0]["source"]
DIFFERENCES: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("nothing", stored(), ()),
    (
        "what a server adds",
        stored(
            metadata__uid="u",
            metadata__resourceVersion="7",
            ingress=[{"action": "Allow", "source": PEER, "destination": {}}],
        ),
        (),
    ),
    ("the default tier left out", stored(tier=None), ()),
    ("the types turned round", stored(types=["Egress", "Ingress"]), ()),
    ("an order with a point", stored(order=500.0), ()),
    ("other settings", stored(metadata__annotations={"isolation-baseline.io/settings": "old"}), ()),
    (
        "another label beside ours",
        stored(
            metadata__labels={"app.kubernetes.io/managed-by": "isolation-baseline", "projectcalico.org/tier": "default"}
        ),
        (),
    ),
    ("the order", stored(order=501), ("spec.order",)),
    ("one direction", stored(types=["Ingress"]), ("spec.types",)),
    ("a rule more", stored(ingress=[*ASKED["spec"]["ingress"], {"action": "Allow"}]), ("spec.ingress",)),
    (
        "a rule narrowed to the own namespace",
        stored(ingress=[{"action": "Allow", "source": {**PEER, "selector": "all()"}}]),
        ("spec.ingress",),
    ),
    ("an unknown field", stored(performanceHints=["AssumeNeededOnEveryNode"]), ("spec.performanceHints",)),
    (
        "no spec at all",
        {"metadata": ASKED["metadata"]},
        ("spec.egress", "spec.ingress", "spec.order", "spec.selector", "spec.types"),
    ),
    ("an owner", stored(metadata__ownerReferences=[{"name": "x"}]), ("metadata.ownerReferences",)),
    ("a finalizer", stored(metadata__finalizers=["x/y"]), ("metadata.finalizers",)),
    ("no label", stored(metadata__labels=None), ("metadata.labels[app.kubernetes.io/managed-by]",)),
]


@pytest.mark.parametrize(("title", "found", "expected"), DIFFERENCES, ids=[row[0] for row in DIFFERENCES])
def test_differences(title: str, found: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert differences(found, ASKED) == expected


def test_every_pod_selected_is_no_absence() -> None:
    """`podSelector: {}` of a Kubernetes policy is a field that says something, empty as it is."""
    asked = manifest(desired(namespace(), SETTINGS)[0], CalicoApi.KUBERNETES, SETTINGS)
    assert differences({**asked, "spec": {"policyTypes": BOTH}}, asked) == ("spec.podSelector",)


def ref(group: str, name: str, kind: str = "NetworkPolicy", place: str = "shop") -> Ref:
    return Ref(group, kind, place, name)


V1, V3, K8S = "crd.projectcalico.org", "projectcalico.org", "networking.k8s.io"
RESERVED = [
    (ref(V1, "default-deny"), CalicoApi.V1, True),
    (ref(V3, "default-deny"), CalicoApi.V1, True),
    (ref(V1, "default.dns-allow"), CalicoApi.AGGREGATED, True),
    (ref(V1, "default.shop-ns-allow"), CalicoApi.V1, True),
    (ref(V1, "test-ns-allow"), CalicoApi.V1, False),
    (ref(V1, "default.default.default-deny"), CalicoApi.V1, False),
    (ref(V1, "default-deny", "StagedNetworkPolicy"), CalicoApi.V1, False),
    (ref(V1, "default-deny", "NetworkSet"), CalicoApi.V1, False),
    (ref(V1, "isolation-floor", "GlobalNetworkPolicy", ""), CalicoApi.V1, True),
    (ref(V1, "isolation-floor"), CalicoApi.V1, False),
    (ref(K8S, "default-deny"), CalicoApi.V1, False),
    (ref(K8S, "default-deny"), CalicoApi.KUBERNETES, True),
    (ref(K8S, "default.default-deny"), CalicoApi.KUBERNETES, False),
    (ref(V1, "default-deny"), CalicoApi.KUBERNETES, False),
]


@pytest.mark.parametrize(("address", "api", "expected"), RESERVED)
def test_reserved_names(address: Ref, api: CalicoApi, expected: bool) -> None:
    assert is_reserved(address, api) is expected


def test_missing_is_by_name_in_either_group_and_spelling() -> None:
    here = namespace("shop")
    wanted = [manifest(w, CalicoApi.V1, SETTINGS) for w in desired(here, SETTINGS)]
    wanted[0]["metadata"]["name"] = "default.default-deny"
    wanted[1]["apiVersion"] = "projectcalico.org/v3"
    assert missing(here, world(*wanted[:2]).policies, SETTINGS, CalicoApi.AGGREGATED) == ("shop-ns-allow",)
    assert missing(here, {}, SETTINGS, CalicoApi.V1) == ("default-deny", "dns-allow", "shop-ns-allow")
