"""Attempts: the ways around the guard that are tried by dry run, each as the request that a tenant would make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from webhook.api import NAMESPACES, RESOURCES, Cluster, Manifest, Resource
from webhook.policy.baseline import DEFAULT_DENY, DNS_ALLOW, FLOOR
from webhook.policy.objects import CalicoApi
from webhook.policy.settings import UNASSIGNED, Settings

_NOBODY = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "00000000-0000-4000-8000-000000000000"}
# A name that is nobody's; nothing of it is ever stored.
_NAME = "isolation-baseline-self-test"
# Without the namespaceSelector a policy of a namespace would mean that namespace alone.
_ANYONE = {"action": "Allow", "source": {"selector": "all()", "namespaceSelector": "all()"}}


@dataclass(frozen=True, slots=True)
class Target:
    """A namespace to try things on: one that is managed, ready and in an environment where findings are refused."""

    namespace: str
    environment: str
    settings: Settings
    api: CalicoApi

    def resource(self, kind: str) -> Resource:
        return RESOURCES[self.api.api_version, kind]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One path: an id that is a metric's label, what it would do, and the request, which must be refused."""

    path: str
    does: str
    send: Callable[[Cluster, Target], object]


def attempts(api: CalicoApi) -> tuple[Attempt, ...]:
    """Everything that can be tried in an API mode."""
    if api is CalicoApi.KUBERNETES:
        return (*_BASELINE, *_NAMESPACE, *_ANY_CALICO)
    return (*_BASELINE, *_CALICO_BASELINE, *_NAMESPACE, *_CALICO, *_ANY_CALICO)


def _delete(name: str) -> Callable[[Cluster, Target], object]:
    return lambda cluster, on: cluster.delete(on.resource("NetworkPolicy"), name, on.namespace, dry_run=True)


def _edit(body: Manifest) -> Callable[[Cluster, Target], object]:
    return lambda cluster, on: cluster.patch(
        on.resource("NetworkPolicy"), DEFAULT_DENY, body, on.namespace, dry_run=True
    )


def _create(api_version: str, kind: str, name: str, spec: Manifest) -> Callable[[Cluster, Target], object]:
    """An empty apiVersion is that of the baseline."""

    def send(cluster: Cluster, on: Target) -> object:
        version = api_version or on.api.api_version
        resource = RESOURCES[version, kind]
        metadata: Manifest = {"name": name}
        if resource.namespaced:
            metadata["namespace"] = on.namespace
        manifest = {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
        return cluster.create(resource, manifest, dry_run=True)

    return send


def _policy(**spec: object) -> Callable[[Cluster, Target], object]:
    return _create("", "NetworkPolicy", _NAME, {"tier": "default", "selector": "all()", "types": ["Ingress"], **spec})


def _relabel(labels: Callable[[Target], Manifest], *, subresource: str = "") -> Callable[[Cluster, Target], object]:
    return lambda cluster, on: cluster.patch(
        NAMESPACES, on.namespace, {"metadata": {"labels": labels(on)}}, subresource=subresource, dry_run=True
    )


def _finalize(change: Callable[[Manifest, Target], None]) -> Callable[[Cluster, Target], object]:
    def send(cluster: Cluster, on: Target) -> object:
        # The API server takes a PUT only here.
        stored = cluster.get(NAMESPACES, on.namespace)
        change(stored, on)
        return cluster.replace(NAMESPACES, stored, subresource="finalize", dry_run=True)

    return send


def _other_environment(on: Target) -> Manifest:
    others = [environment.name for environment in on.settings.environments if environment.name != on.environment]
    return {on.settings.environment_label: others[0] if others else UNASSIGNED}


def _relabelled(stored: Manifest, on: Target) -> None:
    stored["metadata"]["labels"] |= _other_environment(on)


def _emptied(stored: Manifest, on: Target) -> None:
    stored["spec"]["finalizers"] = []


def _floor(body: Manifest) -> Callable[[Cluster, Target], object]:
    return lambda cluster, on: cluster.patch(on.resource("GlobalNetworkPolicy"), FLOOR, body, dry_run=True)


_BASELINE = (
    Attempt("baseline-deleted", "delete default-deny", _delete(DEFAULT_DENY)),
    Attempt("dns-deleted", "delete dns-allow", _delete(DNS_ALLOW)),
    Attempt(
        "baseline-owned",
        "give default-deny an owner that is not there",
        _edit({"metadata": {"ownerReferences": [_NOBODY]}}),
    ),
    Attempt(
        "baseline-held", "give default-deny a finalizer", _edit({"metadata": {"finalizers": ["example.com/hold"]}})
    ),
    Attempt(
        "baseline-narrowed",
        "make default-deny select less",
        _edit({"spec": {"policyTypes": ["Ingress"], "types": ["Ingress"]}}),
    ),
)
_CALICO_BASELINE = (
    Attempt("baseline-moved", "move default-deny behind the floor", _edit({"spec": {"order": 6001}})),
    Attempt("baseline-opened", "put an allow into default-deny", _edit({"spec": {"ingress": [_ANYONE]}})),
    Attempt(
        "floor-deleted",
        "delete isolation-floor",
        lambda cluster, on: cluster.delete(on.resource("GlobalNetworkPolicy"), FLOOR, dry_run=True),
    ),
    Attempt("floor-opened", "put an allow into isolation-floor", _floor({"spec": {"ingress": [_ANYONE]}})),
)
_NAMESPACE = (
    Attempt("environment-changed", "change the environment label", _relabel(_other_environment)),
    Attempt(
        "environment-removed",
        "remove the environment label",
        _relabel(lambda on: {on.settings.environment_label: None}),
    ),
    Attempt(
        "environment-changed-by-status",
        "change the environment label through /status",
        _relabel(_other_environment, subresource="status"),
    ),
    Attempt(
        "environment-changed-by-finalize", "change the environment label through /finalize", _finalize(_relabelled)
    ),
    Attempt("content-left-behind", "empty spec.finalizers of a living namespace", _finalize(_emptied)),
    Attempt(
        "exempted-by-label",
        "set a label that exempts from webhooks",
        _relabel(lambda on: {on.settings.exempting_labels[0]: "true"}),
    ),
)
_CALICO = (
    Attempt("policy-without-order", "create a policy without order", _policy(ingress=[])),
    Attempt("policy-too-late", "create a policy behind the baseline", _policy(order=6000, ingress=[])),
    Attempt("policy-too-early", "create a policy before the tenants' band", _policy(order=10, ingress=[])),
    Attempt("policy-open-to-all", "allow ingress from everyone", _policy(order=600, ingress=[_ANYONE])),
    Attempt("policy-passing", "pass over the baseline", _policy(order=600, ingress=[{"action": "Pass"}])),
    Attempt(
        "policy-blocking-dns",
        "deny egress to port 53",
        _policy(
            order=600,
            types=["Egress"],
            egress=[{"action": "Deny", "protocol": "UDP", "destination": {"ports": [53]}}],
        ),
    ),
    Attempt(
        "baseline-by-its-old-name",
        "create a policy under the stored name of default-deny before Calico 3.32",
        _create("", "NetworkPolicy", f"default.{DEFAULT_DENY}", {"order": 600, "ingress": [_ANYONE]}),
    ),
    Attempt(
        "global-policy-open-to-all",
        "allow ingress from everyone everywhere",
        _create("", "GlobalNetworkPolicy", _NAME, {"order": 600, "types": ["Ingress"], "ingress": [_ANYONE]}),
    ),
    Attempt(
        "tier-before-the-baseline",
        "create a tier that comes first and denies",
        _create("", "Tier", _NAME, {"order": 1, "defaultAction": "Deny"}),
    ),
)
_ANY_CALICO = (
    Attempt(
        "kubernetes-policy-open-to-all",
        "allow ingress from everyone by a Kubernetes policy",
        _create("networking.k8s.io/v1", "NetworkPolicy", _NAME, {"podSelector": {}, "ingress": [{}]}),
    ),
    Attempt(
        "pod-claiming-an-address",
        "create a pod whose annotation claims an address",
        lambda cluster, on: cluster.create(RESOURCES["v1", "Pod"], _pod(on.namespace), dry_run=True),
    ),
)


def _pod(namespace: str) -> Manifest:
    annotations = {"cni.projectcalico.org/podIP": "192.0.2.1/32"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": _NAME, "namespace": namespace, "annotations": annotations},
        "spec": {"containers": [{"name": "none", "image": "none.invalid/none"}]},
    }
