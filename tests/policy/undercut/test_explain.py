"""Explain: the words of a complaint, its example from the world as it is, and its fix, which holds."""

# ruff: noqa: E501 - one row, one line: such a table is read across

from __future__ import annotations

from typing import Any

import pytest

from tests.dice import pod
from tests.policy.table import Manifest, knp, ns, policy, tier, world
from webhook.policy.finding import Complaint
from webhook.policy.parse import parse_policy
from webhook.policy.undercut.judge import leak_complaints
from webhook.policy.world import World

PLACES = [ns("shop", "dev"), ns("stage", "test"), ns("till", "prod", labels={"team": "pay"}), ns("kube-system", None)]
PODS = [
    pod("till", "pos", "10.240.0.3", labels={"app": "pos"}),
    pod("till", "api", "10.240.0.4", labels={"app": "api"}),
    pod("shop", "web", "10.240.0.1", labels={"app": "web"}),
]


def complaint(manifest: Manifest, *others: Manifest) -> Complaint:
    return next(iter(leak_complaints(parse_policy(manifest), everywhere(*others))))


def everywhere(*others: Manifest) -> World:
    return world(*PLACES, *others)


def source(**entity: Any) -> Manifest:
    return policy(ingress=[{"action": "Allow", "source": entity}])


def test_the_example_is_of_pods_that_there_are() -> None:
    found = complaint(source(namespaceSelector="env == 'prod'", selector="app == 'api'"), *PODS)
    assert found.example == (
        "pod till/api (env=prod) -> pod shop/web (env=dev) TCP 8080, today dropped by default-deny (order 5000)"
    )


def test_the_example_is_of_a_namespace_that_there_is() -> None:
    found = complaint(source(namespaceSelector="team == 'pay' && env == 'prod'", selector="app == 'x'"), *PODS)
    assert found.example.startswith("a pod of till with app=x (env=prod) -> pod shop/web (env=dev)")


def test_the_example_is_made_up_where_nothing_fits() -> None:
    found = complaint(source(namespaceSelector="team == 'new' && env == 'prod'"), *PODS)
    assert found.example.startswith("a pod of a namespace such as prod-example with team=new (env=prod) -> ")


FACTS = [
    ("an earlier tier", policy(tier="early", ingress=[{"action": "Allow", "source": {"namespaceSelector": "env == 'prod'"}}]), "spec.ingress[0] allows any protocol and port in tier early (order 10), which is asked before tier default and the baseline in it; namespaceSelector `env == 'prod'` is true for env=prod"),
    ("a tie", policy(order=5000, ingress=[{"action": "Allow", "source": {"namespaceSelector": "env == 'prod'"}}]), "spec.ingress[0] allows any protocol and port at order 5000, default-deny's own: which comes first depends on names and on Calico's version; namespaceSelector `env == 'prod'` is true for env=prod"),
    ("no peer", policy(ingress=[{"action": "Allow", "protocol": "TCP", "destination": {"ports": [80]}}]), "spec.ingress[0] allows TCP 80 at order 600, before default-deny (order 5000); it names no source"),
    ("nets", policy(types=["Egress"], ingress=None, egress=[{"action": "Allow", "destination": {"nets": ["203.0.113.0/24"]}}]), "spec.egress[0] allows any protocol and port at order 600, before default-deny (order 5000); nets 203.0.113.0/24 take in addresses in 203.0.113.0/24"),
    ("a service", policy(types=["Egress"], ingress=None, egress=[{"action": "Allow", "destination": {"services": {"name": "db", "namespace": "shop"}}}]), "spec.egress[0] allows any protocol and port at order 600, before default-deny (order 5000); service shop/db has no selector that is known here: its EndpointSlices can hold any address"),
    ("Kubernetes", knp(ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"env": "prod"}}, "podSelector": {"matchLabels": {"a": "b"}}}]}]), "spec.ingress[0].from[0] allows any protocol and port at order 1000, before default-deny (order 5000); namespaceSelector `env == 'prod'` with selector `a == 'b'` is true for env=prod"),
]  # fmt: skip


@pytest.mark.parametrize(("manifest", "fact"), [row[1:] for row in FACTS], ids=[row[0] for row in FACTS])
def test_the_first_fact_says_why_it_is_heard_and_whom_it_means(manifest: Manifest, fact: str) -> None:
    assert complaint(manifest, tier("early", order=10, defaultAction="Pass")).because[0] == fact


def test_an_http_clause_is_said_to_narrow_nothing() -> None:
    found = complaint(policy(ingress=[{"action": "Allow", "http": {"methods": ["GET"]}}]))
    assert "its http clause narrows nothing: Calico's dataplane does not look at it" in found.because


FIXES = [
    ("no source", {}, 'set source.namespaceSelector to `env in {"dev", "test"}`', {"namespaceSelector": 'env in {"dev", "test"}'}),
    ("a negation", {"namespaceSelector": "env != 'prod'"}, 'set source.namespaceSelector to `env in {"dev", "test"}`', {"namespaceSelector": 'env in {"dev", "test"}'}),
    ("another label", {"namespaceSelector": "team == 'a'"}, 'add `&& env in {"dev", "test"}` to source.namespaceSelector', {"namespaceSelector": "(team == 'a') && env in {\"dev\", \"test\"}"}),
    ("an environment", {"namespaceSelector": "env == 'prod'", "selector": "a == 'b'"}, 'set source.namespaceSelector to `env in {"dev", "test"}`', {"namespaceSelector": 'env in {"dev", "test"}', "selector": "a == 'b'"}),
]  # fmt: skip


@pytest.mark.parametrize(("entity", "fix", "fixed"), [row[1:] for row in FIXES], ids=[row[0] for row in FIXES])
def test_the_fix_holds(entity: Manifest, fix: str, fixed: Manifest) -> None:
    assert complaint(source(**entity)).fix == fix
    assert list(leak_complaints(parse_policy(source(**fixed)), everywhere())) == []


WITHOUT = [
    ("a namespace by its name", source(namespaceSelector="kubernetes.io/metadata.name == 'till'"), "remove spec.ingress[0], or ask platform-admins to share namespace till for ingress"),
    ("a namespace that is not there", source(namespaceSelector="kubernetes.io/metadata.name == 'new'"), "create namespace new first, or name its environment instead"),
    ("an address", source(nets=["198.51.100.7/32"]), "remove spec.ingress[0], or ask platform-admins to list 198.51.100.7/32 under cidrs.ingress"),
    ("Kubernetes", knp(ingress=[{}]), "add `from: [{namespaceSelector: {matchExpressions: [{key: env, operator: In, values: [dev, test]}]}}]`"),
    ("the only peer", knp(egress=[{"to": [{"ipBlock": {"cidr": "203.0.113.9/32"}}]}], policyTypes=["Egress"]), "remove spec.egress[0], or ask platform-admins to list 203.0.113.9/32 under cidrs.egress"),
    ("one of two peers", knp(egress=[{"to": [{"ipBlock": {"cidr": "203.0.113.9/32"}}, {"podSelector": {}}]}], policyTypes=["Egress"]), "remove spec.egress[0].to[0], or ask platform-admins to list 203.0.113.9/32 under cidrs.egress"),
    ("what comes from DNS pods is no DNS", policy(ingress=[{"action": "Allow", "source": {"namespaceSelector": "projectcalico.org/name == 'kube-system'"}}]), "remove spec.ingress[0], or ask platform-admins to share namespace kube-system for ingress"),
]  # fmt: skip


@pytest.mark.parametrize(("manifest", "fix"), [row[1:] for row in WITHOUT], ids=[row[0] for row in WITHOUT])
def test_the_fix_where_it_is_somebody_elses_to_make(manifest: Manifest, fix: str) -> None:
    assert complaint(manifest).fix == fix
