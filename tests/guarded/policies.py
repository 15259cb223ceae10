"""Policies, sets and tiers with which something is tried, as rows of the table."""

from __future__ import annotations

import json
from typing import Any

from tests.guarded.attempt import CALICO, DEV, KUBERNETES, Row, post, refused

POLICIES = f"{CALICO}/namespaces/{DEV}/networkpolicies"
KUBERNETES_POLICIES = f"{KUBERNETES}/namespaces/{DEV}/networkpolicies"
CLUSTER_POLICIES = "/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies"
CEILING, PASSES, DNS = "[allows-stay-under-ceiling]", "[passes-do-not-bypass-baseline]", "[dns-not-blocked]"
PARSE, BLANK, LITERAL = "[selectors-parse]", "[selectors-not-blank]", "[selector-literals-not-rewritten]"
ACCOUNTS, CIDRS, PORTS = "[service-account-names-valid]", "[nets-are-cidrs]", "[ports-valid]"
DECLARED, BAND, TIER = "[order-declared]", "[order-in-tenant-band]", "[tier-permitted]"
FORGED, OUTSIDE, ALONE = "[labels-not-forged]", "[nets-outside-cluster]", "[global-selector-alone]"
HONEST, BEFORE, ACTION = "[metadata-annotation-honest]", "[order-not-before-baseline]", "[default-action-safe]"
EVERYTHING = [{"action": "Allow"}]
SAME = {"namespaceSelector": 'env == "dev"', "selector": "projectcalico.org/orchestrator == 'k8s'"}


def calico(kind: str, name: str = "attack", **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "crd.projectcalico.org/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def local(**spec: Any) -> dict[str, Any]:
    return calico("NetworkPolicy", **{"order": 600, "selector": "all()", "types": ["Ingress"], **spec})


def everywhere(**spec: Any) -> dict[str, Any]:
    return calico("GlobalNetworkPolicy", **{"order": 600, "selector": "all()", "types": ["Ingress"], **spec})


def ours(tried: str, rule: str, **spec: Any) -> Row:
    """A tenant's policy in its own namespace."""
    return refused(tried, "tenant", post(POLICIES, local(**spec)), rule)


def let_in(tried: str, rule: str, **source: Any) -> Row:
    """A tenant's policy that lets this in."""
    return ours(tried, rule, ingress=[{"action": "Allow", "source": source}])


def let_out(tried: str, rule: str, **destination: Any) -> Row:
    return ours(tried, rule, types=["Egress"], egress=[{"action": "Allow", "destination": destination}])


def of_all(tried: str, rule: str, **spec: Any) -> Row:
    """A global policy, by whoever may write them."""
    return refused(tried, "tenant", post(f"{CALICO}/globalnetworkpolicies", everywhere(**spec)), rule)


def kubernetes(tried: str, rule: str = CEILING, **spec: Any) -> Row:
    body = {"metadata": {"name": "attack"}, "spec": {"podSelector": {}, **spec}}
    return refused(tried, "tenant", post(KUBERNETES_POLICIES, body), rule)


def cluster(tried: str, rule: str, **spec: Any) -> Row:
    body = {"apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy"}
    spec = {"tier": "Admin", "priority": 5, "subject": {"namespaces": {}}, **spec}
    return refused(
        tried, "cluster-admin", post(CLUSTER_POLICIES, {**body, "metadata": {"name": "attack"}, "spec": spec}), rule
    )


def tier(tried: str, rule: str, name: str, who: str = "cluster-admin", dead: int = 500, **spec: Any) -> Row:
    return refused(tried, who, post(f"{CALICO}/tiers", calico("Tier", name, **spec)), rule, dead=dead)


def a_set(tried: str, rule: str, nets: list[str], labels: dict[str, str] | None = None, **metadata: Any) -> Row:
    body = calico("NetworkSet", nets=nets)
    body["metadata"] |= {"labels": labels or {}, **metadata}
    return refused(tried, "tenant", post(f"{CALICO}/namespaces/{DEV}/networksets", body), rule)


def annotated(**fields: Any) -> dict[str, Any]:
    body = local(ingress=[{"action": "Allow", "source": SAME}])
    body["metadata"]["annotations"] = {"projectcalico.org/metadata": json.dumps(fields)}
    return body
