"""Discovery: which of Calico's API modes a cluster is in; asked at start, and again when it may have changed."""

from __future__ import annotations

from webhook.api import RESOURCES, Cluster, NotFound
from webhook.policy.objects import CalicoApi

AGGREGATED = "v3.projectcalico.org"


def discover_calico_api(cluster: Cluster) -> CalicoApi:
    """
    Find the mode: who serves projectcalico.org/v3 decides, and the backing definitions where nobody does.

    During a migration to definitions of v3 an API server of Calico's and definitions may both be there; the API server
    is then the one that answers, because the APIService names it.

    Raises:
        ClusterError: when the cluster cannot be asked. A mode is never guessed.
    """
    try:
        service = cluster.get(RESOURCES["apiregistration.k8s.io/v1", "APIService"], AGGREGATED)
    except NotFound:
        service = {}
    # An APIService for definitions is made by the API server itself, and names no Service.
    if (service.get("spec") or {}).get("service"):
        return CalicoApi.AGGREGATED
    backing = "networkpolicies" in cluster.served("crd.projectcalico.org", "v1")
    native = "networkpolicies" in cluster.served("projectcalico.org", "v3")
    if native and not backing:
        return CalicoApi.NATIVE
    # Calico itself reads the definitions of v3 only where those of v1 are absent.
    return CalicoApi.V1 if backing else CalicoApi.KUBERNETES
