"""Which API mode a cluster is in, from what it serves and who serves it."""

from __future__ import annotations

import pytest

from webhook.api import RESOURCES, NoAnswer, Resource
from webhook.discovery import discover_calico_api
from webhook.memory import MemoryCluster
from webhook.memory_store import Call
from webhook.policy.objects import CalicoApi

SERVICES = RESOURCES["apiregistration.k8s.io/v1", "APIService"]
WITH_SERVICE = {"group": "projectcalico.org", "version": "v3", "service": {"name": "calico-api"}}
WITHOUT = {"group": "projectcalico.org", "version": "v3"}


def unserved(*groups: str) -> frozenset[Resource]:
    return frozenset(resource for resource in RESOURCES.values() if resource.group in groups)


CASES = [
    pytest.param(unserved("projectcalico.org"), None, CalicoApi.V1, id="the backing definitions alone"),
    pytest.param(unserved("crd.projectcalico.org"), WITHOUT, CalicoApi.NATIVE, id="definitions of v3 alone"),
    pytest.param(unserved(), WITH_SERVICE, CalicoApi.AGGREGATED, id="Calico's API server"),
    pytest.param(unserved(), WITHOUT, CalicoApi.V1, id="both sets of definitions, in the middle of a migration"),
    pytest.param(unserved("projectcalico.org"), WITH_SERVICE, CalicoApi.AGGREGATED, id="Calico's API server is down"),
    pytest.param(
        unserved("projectcalico.org", "crd.projectcalico.org"), None, CalicoApi.KUBERNETES, id="none of Calico's"
    ),
]


@pytest.mark.parametrize(("absent", "service", "expected"), CASES)
def test_modes(absent: frozenset[Resource], service: dict[str, object] | None, expected: CalicoApi) -> None:
    cluster = MemoryCluster(unserved=absent)
    if service is not None:
        cluster.create(SERVICES, {"metadata": {"name": "v3.projectcalico.org"}, "spec": service})
    assert discover_calico_api(cluster) is expected


def test_a_cluster_that_does_not_answer_is_in_no_mode() -> None:
    cluster = MemoryCluster()

    def fail(call: Call) -> None:
        raise NoAnswer("get")

    cluster.store.before = fail
    with pytest.raises(NoAnswer):
        discover_calico_api(cluster)
