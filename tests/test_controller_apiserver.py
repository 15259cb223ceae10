"""The controller on a real API server: births, repairs, deaths, a second leader, kill -9, and each API mode."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.controlplane import ControlPlane, calico, running
from tests.stage import SETTINGS
from webhook.api import EVENTS, LEASES, NAMESPACES, RESOURCES, ClusterError, Manifest, NotFound
from webhook.attempts import attempts
from webhook.cluster import KubernetesCluster, connect
from webhook.control import Control, Options
from webhook.discovery import discover_calico_api
from webhook.policy.objects import CalicoApi
from webhook.policy.parse import parse
from webhook.probe import Result, find_target

pytestmark = pytest.mark.apiserver

POLICIES = RESOURCES["crd.projectcalico.org/v1", "NetworkPolicy"]
GLOBAL_POLICIES = RESOURCES["crd.projectcalico.org/v1", "GlobalNetworkPolicy"]
WEBHOOKS = RESOURCES["admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"]
READY_FOR = "isolation-baseline.io/ready-for"
OWN = "isolation-baseline"
# Far more than is ever needed; a busy machine must not fail a test. benchmarks/controller.py has the real figures.
PATIENCE = 60.0


def until(holds: Callable[[], object], what: str, seconds: float = PATIENCE) -> float:
    """Wait until something holds; how long it took."""
    started = time.monotonic()
    while not holds():
        assert time.monotonic() - started < seconds, f"{what}: not within {seconds:g} s"
        time.sleep(0.01)
    return time.monotonic() - started


@contextmanager
def plane(group: str | None) -> Iterator[tuple[ControlPlane, KubernetesCluster]]:
    """A control plane of our own: a controller touches every namespace, those of other tests too."""
    with running(group) as control_plane:
        cluster = connect(str(control_plane.administrator.kubeconfig))
        cluster.create(NAMESPACES, {"metadata": {"name": OWN}})
        yield control_plane, cluster
        cluster.close()


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[ControlPlane, KubernetesCluster]]:
    with plane(calico.V1_GROUP) as both:
        yield both


@pytest.fixture(scope="module")
def cluster(served: tuple[ControlPlane, KubernetesCluster]) -> KubernetesCluster:
    return served[1]


@pytest.fixture(scope="module")
def control(cluster: KubernetesCluster) -> Iterator[Control]:
    with at_work(cluster) as control:
        yield control


@contextmanager
def at_work(cluster: KubernetesCluster, **options: object) -> Iterator[Control]:
    control = Control(cluster, SETTINGS, discover_calico_api(cluster), parse=parse, **options)  # type: ignore[arg-type]
    control.start()
    try:
        until(lambda: control.controller._open, "the controller at work")
        yield control
    finally:
        control.stop()


def is_ready(cluster: KubernetesCluster, name: str) -> bool:
    metadata = cluster.get(NAMESPACES, name)["metadata"]
    return (metadata.get("annotations") or {}).get(READY_FOR) == metadata["uid"]


def born(cluster: KubernetesCluster, name: str) -> Manifest:
    cluster.create(NAMESPACES, {"metadata": {"name": name}})
    until(lambda: is_ready(cluster, name), f"{name} ready")
    return cluster.get(NAMESPACES, name)


def names(cluster: KubernetesCluster, namespace: str) -> set[str]:
    return {item["metadata"]["name"] for item in cluster.list(POLICIES, namespace).items}


def whole(namespace: str) -> set[str]:
    return {"default-deny", "dns-allow", f"{namespace}-ns-allow"}


def test_a_namespace_is_born_isolated(cluster: KubernetesCluster, control: Control) -> None:
    found = born(cluster, "dev-born")
    assert found["metadata"]["labels"]["env"] == "dev"
    assert names(cluster, "dev-born") == whole("dev-born")
    assert float(found["metadata"]["annotations"]["isolation-baseline.io/ready-seconds"]) < 5
    assert cluster.get(GLOBAL_POLICIES, "isolation-floor")["spec"]["order"] == 6000


def test_the_namespaces_that_were_there_have_it_too_and_the_exempt_do_not(
    cluster: KubernetesCluster, control: Control
) -> None:
    until(lambda: is_ready(cluster, "default"), "default ready")
    assert cluster.get(NAMESPACES, "default")["metadata"]["labels"]["env"] == "unassigned"
    assert names(cluster, "kube-system") == set()
    assert names(cluster, OWN) == set()


def test_a_settled_cluster_is_written_to_no_more(cluster: KubernetesCluster, control: Control) -> None:
    born(cluster, "dev-quiet")
    before = {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in of(cluster, "dev-quiet")}
    control.controller.look_at_all()
    until(lambda: len(control.controller.queue) == 0, "all looked at")
    born(cluster, "dev-quiet-after")
    after = {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in of(cluster, "dev-quiet")}
    assert before == after


def of(cluster: KubernetesCluster, namespace: str) -> list[Manifest]:
    return cluster.list(POLICIES, namespace).items


def deletes(cluster: KubernetesCluster, namespace: str) -> None:
    cluster.delete(POLICIES, "default-deny", namespace)


def edits(cluster: KubernetesCluster, namespace: str) -> None:
    body = {"spec": {"order": 6001, "ingress": [{"action": "Allow"}]}}
    cluster.patch(POLICIES, "default-deny", body, namespace)


def orphans(cluster: KubernetesCluster, namespace: str) -> None:
    """The garbage collector deletes what has an owner that is not there."""
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "00000000-0000-0000-0000-000000000000"}
    cluster.patch(POLICIES, "default-deny", {"metadata": {"ownerReferences": [owner]}}, namespace)


def holds(cluster: KubernetesCluster, namespace: str) -> None:
    """A finalizer, then a deletion that waits for it."""
    cluster.patch(POLICIES, "default-deny", {"metadata": {"finalizers": ["x.example/hold"]}}, namespace)
    cluster.delete(POLICIES, "default-deny", namespace)


@pytest.mark.parametrize("damage", [deletes, edits, orphans, holds])
def test_the_baseline_is_repaired(
    cluster: KubernetesCluster, control: Control, damage: Callable[[KubernetesCluster, str], None]
) -> None:
    name = f"dev-{damage.__name__}"
    born(cluster, name)

    def essence() -> Manifest | None:
        try:
            found = cluster.get(POLICIES, "default-deny", name)
        except NotFound:
            return None
        kept = ("ownerReferences", "finalizers", "deletionTimestamp")
        return {"spec": found["spec"], **{field: found["metadata"].get(field) for field in kept}}

    def version() -> str:
        try:
            return str(cluster.get(POLICIES, "default-deny", name)["metadata"]["resourceVersion"])
        except NotFound:
            return ""

    before, was = essence(), version()
    damage(cluster, name)
    took = until(lambda: version() != was and essence() == before, "repaired")
    assert took < 10
    until(lambda: told(cluster, name, "BaselineRepaired"), "an event about the repair")


def told(cluster: KubernetesCluster, namespace: str, reason: str) -> bool:
    events = cluster.list(EVENTS, "default").items
    return any(e["reason"] == reason and e["involvedObject"]["name"] == namespace for e in events)


def test_a_namespace_dies_in_peace_and_comes_back_as_a_new_one(cluster: KubernetesCluster, control: Control) -> None:
    old = born(cluster, "dev-mortal")["metadata"]["uid"]
    cluster.delete(NAMESPACES, "dev-mortal")

    def gone() -> bool:
        try:
            cluster.get(NAMESPACES, "dev-mortal")
        except NotFound:
            return True
        return False

    until(gone, "the namespace gone")
    assert names(cluster, "dev-mortal") == set()
    assert born(cluster, "dev-mortal")["metadata"]["uid"] != old
    assert names(cluster, "dev-mortal") == whole("dev-mortal")


def configuration() -> Manifest:
    """It asks nobody anything: there is no such resource."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "isolation-baseline"},
        "webhooks": [
            {
                "name": "policies.isolation-baseline.io",
                "clientConfig": {"url": "https://127.0.0.1:1/"},
                "rules": [
                    {
                        "apiGroups": ["nobody.example"],
                        "apiVersions": ["v1"],
                        "resources": ["nothing"],
                        "operations": ["CREATE"],
                    }
                ],
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
        ],
    }


def weakens(**fields: object) -> Callable[[KubernetesCluster], object]:
    def act(cluster: KubernetesCluster) -> object:
        stored = cluster.get(WEBHOOKS, "isolation-baseline")
        stored["webhooks"][0].update(fields)
        return cluster.replace(WEBHOOKS, stored)

    return act


def adds_a_webhook(cluster: KubernetesCluster) -> None:
    stored = cluster.get(WEBHOOKS, "isolation-baseline")
    stored["webhooks"].append({**stored["webhooks"][0], "name": "another.example.io"})
    cluster.replace(WEBHOOKS, stored)


CHANGES = [
    pytest.param(lambda cluster: cluster.delete(WEBHOOKS, "isolation-baseline"), id="deleted"),
    pytest.param(weakens(failurePolicy="Ignore"), id="failing open"),
    pytest.param(weakens(namespaceSelector={"matchLabels": {"a": "b"}}), id="narrowed by a selector"),
    pytest.param(weakens(matchConditions=[{"name": "never", "expression": "false"}]), id="narrowed by a condition"),
    pytest.param(weakens(clientConfig={"url": "https://127.0.0.1:2/"}), id="redirected"),
    pytest.param(adds_a_webhook, id="one more webhook"),
]


@pytest.fixture(scope="module")
def guarded() -> Iterator[KubernetesCluster]:
    with plane(None) as (_, cluster), at_work(cluster, desired_configurations=lambda: [configuration()]):
        until(lambda: essence_of_guard(cluster), "the configuration installed")
        yield cluster


def essence_of_guard(cluster: KubernetesCluster) -> object:
    try:
        return cluster.get(WEBHOOKS, "isolation-baseline")["webhooks"]
    except NotFound:
        return None


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_configuration_is_put_back(
    guarded: KubernetesCluster, change: Callable[[KubernetesCluster], object]
) -> None:
    before = essence_of_guard(guarded)
    change(guarded)
    assert until(lambda: essence_of_guard(guarded) == before, "put back", 15) < 15


def test_without_calicos_resources_the_baseline_is_kubernetes_own(guarded: KubernetesCluster) -> None:
    own = RESOURCES["networking.k8s.io/v1", "NetworkPolicy"]
    assert discover_calico_api(guarded) is CalicoApi.KUBERNETES
    born(guarded, "dev-plain")
    found = {item["metadata"]["name"] for item in guarded.list(own, "dev-plain").items}
    assert found == whole("dev-plain")


def test_with_definitions_of_v3_alone_the_baseline_is_written_there() -> None:
    with plane("projectcalico.org") as (_, cluster):
        assert discover_calico_api(cluster) is CalicoApi.NATIVE
        with at_work(cluster):
            born(cluster, "dev-native")
            found = cluster.list(RESOURCES["projectcalico.org/v3", "NetworkPolicy"], "dev-native").items
            assert {item["metadata"]["name"] for item in found} == whole("dev-native")


def test_an_api_service_with_a_service_is_calicos_own_server(cluster: KubernetesCluster) -> None:
    services = RESOURCES["apiregistration.k8s.io/v1", "APIService"]
    manifest = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": "v3.projectcalico.org"},
        "spec": {
            "group": "projectcalico.org",
            "version": "v3",
            "service": {"name": "calico-api", "namespace": "calico-system"},
            "groupPriorityMinimum": 1500,
            "versionPriority": 200,
        },
    }
    assert discover_calico_api(cluster) is CalicoApi.V1
    cluster.create(services, manifest)
    try:
        assert discover_calico_api(cluster) is CalicoApi.AGGREGATED
    finally:
        cluster.delete(services, "v3.projectcalico.org")


def test_the_second_takes_over_when_the_first_lets_go(cluster: KubernetesCluster, control: Control) -> None:
    second = Control(
        cluster, SETTINGS, CalicoApi.V1, parse=parse, options=Options(identity="second", namespace="dev-lease")
    )
    first = Control(
        cluster, SETTINGS, CalicoApi.V1, parse=parse, options=Options(identity="first", namespace="dev-lease")
    )
    born(cluster, "dev-lease")
    first.start()
    until(lambda: first.controller._open, "the first leads")
    second.start()
    until(lambda: second.is_ready() == (True, "standing by"), "the second stands by")
    first.stop()
    until(lambda: second.controller._open, "the second leads")
    assert cluster.get(LEASES, "isolation-baseline", "dev-lease")["spec"]["holderIdentity"] == "second"
    second.stop()


def test_a_dry_run_changes_nothing(cluster: KubernetesCluster, control: Control) -> None:
    found = born(cluster, "dev-dry")
    before = essence_of(cluster, "dev-dry")
    cluster.delete(POLICIES, "default-deny", "dev-dry", dry_run=True)
    cluster.patch(POLICIES, "default-deny", {"spec": {"order": 1}}, "dev-dry", dry_run=True)
    cluster.create(
        POLICIES, {**of(cluster, "dev-dry")[0], "metadata": {"name": "x", "namespace": "dev-dry"}}, dry_run=True
    )
    found["spec"]["finalizers"] = []
    cluster.replace(NAMESPACES, found, subresource="finalize", dry_run=True)
    cluster.delete(NAMESPACES, "dev-dry", dry_run=True)
    assert essence_of(cluster, "dev-dry") == before


def test_without_a_guard_every_way_around_it_is_found_open_and_nothing_happens(
    cluster: KubernetesCluster, control: Control
) -> None:
    """The counterpart of tests/guarded/test_self_test.py: the self-test can tell the difference."""
    born(cluster, "dev-a-first")
    target = find_target(control.observer.world)
    assert target is not None
    before = essence_of(cluster, target.namespace), cluster.get(GLOBAL_POLICIES, "isolation-floor")
    control.probe.try_all()
    assert {path: result for path, (result, _) in control.probe.results.items()} == {
        attempt.path: Result.OPEN for attempt in attempts(CalicoApi.V1)
    }
    assert (essence_of(cluster, target.namespace), cluster.get(GLOBAL_POLICIES, "isolation-floor")) == before


def essence_of(cluster: KubernetesCluster, namespace: str) -> object:
    return cluster.get(NAMESPACES, namespace), of(cluster, namespace)


@contextmanager
def process(kubeconfig: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "webhook.cli", "control", "--kubeconfig", str(kubeconfig)]
    # The same pod, whose container is started again.
    environment = {**os.environ, "POD_NAME": "controller-0"}
    with log.open("ab") as sink, subprocess.Popen(command, env=environment, stdout=sink, stderr=sink) as running:
        try:
            yield running
        finally:
            running.kill()


def test_killed_in_the_middle_of_200_births_and_started_again_all_are_isolated(tmp_path: Path) -> None:
    with plane(calico.V1_GROUP) as (control_plane, cluster):
        wanted = [f"dev-{number}" for number in range(200)]
        kubeconfig, log = control_plane.administrator.kubeconfig, tmp_path / "log"
        with process(kubeconfig, log) as first:
            until(lambda: b"event=leading" in log.read_bytes(), "the first leads")

            def create(part: list[str]) -> None:
                for name in part:
                    cluster.create(NAMESPACES, {"metadata": {"name": name}}, timeout=60)

            creators = [threading.Thread(target=create, args=(wanted[n::4],)) for n in range(4)]
            for creator in creators:
                creator.start()
            until(lambda: len(cluster.list(POLICIES).items) > 60, "some of the work done")
            first.send_signal(signal.SIGKILL)
            first.wait()
        half_done = len(cluster.list(POLICIES).items)
        for creator in creators:
            creator.join()
        assert half_done < 3 * len(wanted), "the first was quicker than we"
        with process(kubeconfig, log):

            def all_ready() -> bool:
                items = {n["metadata"]["name"]: n["metadata"] for n in cluster.list(NAMESPACES).items}
                return all((items[n].get("annotations") or {}).get(READY_FOR) == items[n]["uid"] for n in wanted)

            until(all_ready, "all ready", 120)
        found: dict[str, list[str]] = {}
        for policy in cluster.list(POLICIES).items:
            found.setdefault(policy["metadata"]["namespace"], []).append(policy["metadata"]["name"])
        assert {name: sorted(found[name]) for name in wanted} == {name: sorted(whole(name)) for name in wanted}


def test_a_write_that_rbac_refuses_says_which(served: tuple[ControlPlane, KubernetesCluster]) -> None:
    nobody = connect(str(served[0].identity("nobody").kubeconfig))
    with pytest.raises(ClusterError) as caught:
        nobody.create(
            GLOBAL_POLICIES,
            {
                "apiVersion": "crd.projectcalico.org/v1",
                "kind": "GlobalNetworkPolicy",
                "metadata": {"name": "x"},
                "spec": {},
            },
        )
    assert caught.value.status == 403
    assert "globalnetworkpolicies" in caught.value.message
    nobody.close()
