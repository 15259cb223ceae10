"""Parse: one manifest in, one value of the core out; which reader speaks for which kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from webhook.policy.fields import Json, mapping, text
from webhook.policy.objects import HostEndpoint, InvalidObject, Namespace, NetworkSet, Pod, Policy, ServiceAccount, Tier
from webhook.policy.parse_calico import (
    Defaulting,
    parse_calico_policy,
    parse_host_endpoint,
    parse_network_set,
    parse_tier,
)
from webhook.policy.parse_cluster import parse_cluster_policy
from webhook.policy.parse_kubernetes import parse_kubernetes_policy
from webhook.policy.parse_meta import CALICO_V1, CALICO_V3, METADATA, canonical_name
from webhook.policy.parse_workloads import (
    parse_namespace,
    parse_pod,
    parse_service_account,
    parse_service_endpoints,
)

__all__ = [
    "CALICO_V1",
    "CALICO_V3",
    "METADATA",
    "POLICY_KINDS",
    "Defaulting",
    "Parsed",
    "canonical_name",
    "parse",
    "parse_host_endpoint",
    "parse_namespace",
    "parse_network_set",
    "parse_pod",
    "parse_policy",
    "parse_service_account",
    "parse_service_endpoints",
    "parse_tier",
]

Parsed = Namespace | Policy | Tier | NetworkSet | HostEndpoint | Pod | ServiceAccount
_PolicyReader = Callable[[Mapping[str, Json], str, Defaulting], Policy]
_Reader = Callable[[Mapping[str, Json], str], Parsed]


def _calico(manifest: Mapping[str, Json], namespace: str, defaulting: Defaulting) -> Policy:
    return parse_calico_policy(manifest, namespace=namespace, defaulting=defaulting)


def _kubernetes(manifest: Mapping[str, Json], namespace: str, defaulting: Defaulting) -> Policy:
    return parse_kubernetes_policy(manifest, namespace=namespace)


def _cluster(manifest: Mapping[str, Json], namespace: str, defaulting: Defaulting) -> Policy:
    return parse_cluster_policy(manifest)


_CALICO_POLICIES: Final[dict[str, _PolicyReader]] = {
    "NetworkPolicy": _calico,
    "GlobalNetworkPolicy": _calico,
    "StagedNetworkPolicy": _calico,
    "StagedGlobalNetworkPolicy": _calico,
    "StagedKubernetesNetworkPolicy": _kubernetes,
}
_POLICIES: Final[dict[tuple[str, str], _PolicyReader]] = {
    **{(version, kind): read for version in (CALICO_V3, CALICO_V1) for kind, read in _CALICO_POLICIES.items()},
    ("networking.k8s.io/v1", "NetworkPolicy"): _kubernetes,
    ("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy"): _cluster,
    ("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy"): _cluster,
    ("policy.networking.k8s.io/v1alpha1", "BaselineAdminNetworkPolicy"): _cluster,
}
POLICY_KINDS: Final = frozenset(_POLICIES)

_CALICO_OTHERS: Final[dict[str, _Reader]] = {
    "Tier": lambda manifest, namespace: parse_tier(manifest),
    "NetworkSet": lambda manifest, namespace: parse_network_set(manifest, namespace=namespace),
    "GlobalNetworkSet": lambda manifest, namespace: parse_network_set(manifest),
    "HostEndpoint": lambda manifest, namespace: parse_host_endpoint(manifest),
}
_OTHERS: Final[dict[tuple[str, str], _Reader]] = {
    **{(version, kind): read for version in (CALICO_V3, CALICO_V1) for kind, read in _CALICO_OTHERS.items()},
    ("v1", "Namespace"): lambda manifest, namespace: parse_namespace(manifest),
    ("v1", "Pod"): lambda manifest, namespace: parse_pod(manifest, namespace=namespace),
    ("v1", "ServiceAccount"): lambda manifest, namespace: parse_service_account(manifest, namespace=namespace),
}


def parse(manifest: Json, *, defaulting: Defaulting | str = Defaulting.EITHER, namespace: str = "default") -> Parsed:
    """
    Read one manifest; `namespace` is where an object that names none goes.

    Raises:
        InvalidObject: with the path of the first field that cannot be read; also for a kind not known here.
    """
    kind = _kind(manifest)
    if kind in _POLICIES:
        return parse_policy(manifest, defaulting=defaulting, namespace=namespace)
    if kind in _OTHERS:
        return _OTHERS[kind](manifest, namespace)
    raise InvalidObject("kind", f"no kind that matters here: {kind[0][:80]!r} {kind[1][:80]!r}")


def parse_policy(
    manifest: Json, *, defaulting: Defaulting | str = Defaulting.EITHER, namespace: str = "default"
) -> Policy:
    """
    Read a policy of any kind and group.

    `defaulting` says who fills in absent `types` of a projectcalico.org/v3 policy; raw v1 ones govern both directions.

    Raises:
        InvalidObject: what Calico would merely misread is a Defect of the policy instead.
    """
    kind = _kind(manifest)
    if kind not in _POLICIES:
        raise InvalidObject("kind", f"no kind of policy: {kind[0][:80]!r} {kind[1][:80]!r}")
    return _POLICIES[kind](manifest, namespace, Defaulting(defaulting))


def _kind(manifest: Json) -> tuple[str, str]:
    raw = mapping(manifest, "")
    return text(raw.get("apiVersion"), "apiVersion"), text(raw.get("kind"), "kind")
