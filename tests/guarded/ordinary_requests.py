"""Ordinary requests: what is done every day, as rows of the table."""

from __future__ import annotations

from typing import Any

from tests.guarded.attempt import (
    CALICO,
    DEV,
    KUBERNETES,
    NAMESPACES,
    Row,
    Send,
    post,
    row,
)
from tests.guarded.policies import calico

AT = f"{NAMESPACES}/{DEV}"
POLICIES = f"{CALICO}/namespaces/{DEV}/networkpolicies"
SETS = f"{CALICO}/namespaces/{DEV}/networksets"
KUBERNETES_POLICIES = f"{KUBERNETES}/namespaces/{DEV}/networkpolicies"
KUBE_SYSTEM = f"{NAMESPACES}/kube-system"
TIERS = f"{CALICO}/tiers"
OWN = f"{POLICIES}/own"
BY_NAME = "projectcalico.org/name == '{}'"
POD = "projectcalico.org/orchestrator == 'k8s'"


def fine(tried: str, who: str, sends: Send, **more: Any) -> Row:
    """Accepted, but it waits for the webhook: while it is dead, it is refused."""
    return row(tried, who, sends, 201 if sends.verb == "POST" else 200, **more)


def free(tried: str, who: str, sends: Send, **more: Any) -> Row:
    """Accepted, and it never waits for us."""
    status = 201 if sends.verb == "POST" else 200
    return row(tried, who, sends, status, **{"dead": status, **more})


def local(**spec: Any) -> dict[str, Any]:
    return calico("NetworkPolicy", "ordinary", **{"order": 700, "selector": "app == 'a'", "types": ["Ingress"], **spec})


def own(tried: str, **spec: Any) -> Row:
    return fine(tried, "tenant", post(POLICIES, local(**spec)))


def let_in(tried: str, **source: Any) -> Row:
    return own(
        tried, ingress=[{"action": "Allow", "protocol": "TCP", "source": source, "destination": {"ports": [80]}}]
    )


def let_out(tried: str, **destination: Any) -> Row:
    return own(tried, types=["Egress"], egress=[{"action": "Allow", "protocol": "TCP", "destination": destination}])


def kubernetes(tried: str, **spec: Any) -> Row:
    body = {"metadata": {"name": "ordinary"}, "spec": {"podSelector": {"matchLabels": {"app": "a"}}, **spec}}
    return fine(tried, "tenant", post(KUBERNETES_POLICIES, body))


def of(version: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "ordinary"}, **more}


def written(**spec: Any) -> dict[str, Any]:
    return calico(
        "NetworkPolicy", "ordinary-applied", **{"order": 700, "selector": "app == 'a'", "types": ["Ingress"], **spec}
    )


FROM_PODS = [{"action": "Allow", "source": {"selector": "app == 'b'"}}]
DNS_PODS = {
    "namespaceSelector": BY_NAME.format("kube-system"),
    "selector": "k8s-app in {'coredns', 'kube-dns'}",
    "ports": [53],
}
POD_SPEC = {"containers": [{"name": "a", "image": "registry.example/a"}]}
TEMPLATE = {"metadata": {"labels": {"app": "a"}}, "spec": POD_SPEC}
SELECTED = {"matchLabels": {"app": "a"}}
WORKLOAD = {"selector": SELECTED, "template": TEMPLATE}
APPLIED = f"{POLICIES}/ordinary-applied"
GITOPS = "fieldManager=gitops&force=true"
