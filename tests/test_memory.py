"""The cluster in memory behaves as the API server was seen to, where our own code could tell the difference."""

from __future__ import annotations

import threading

import pytest

from tests.stage import POLICIES
from webhook.api import (
    NAMESPACES,
    AlreadyExists,
    ClusterError,
    Conflict,
    Forbidden,
    Gone,
    Manifest,
    NotFound,
)
from webhook.memory import NAMESPACE_CONTROLLER, MemoryCluster


@pytest.fixture
def cluster() -> MemoryCluster:
    cluster = MemoryCluster(linger=False)
    cluster.create(NAMESPACES, {"metadata": {"name": "a"}})
    return cluster


def policy(name: str = "p", **metadata: object) -> Manifest:
    return {"metadata": {"name": name, "namespace": "a", **metadata}, "spec": {"order": 1}}


def test_a_namespace_gets_its_name_as_a_label_and_keeps_it(cluster: MemoryCluster) -> None:
    found = cluster.patch(NAMESPACES, "a", {"metadata": {"labels": {"kubernetes.io/metadata.name": "kube-system"}}})
    assert found["metadata"]["labels"] == {"kubernetes.io/metadata.name": "a"}
    assert found["spec"]["finalizers"] == ["kubernetes"]


FAILURES = [
    pytest.param(lambda c: c.get(POLICIES, "p", "a"), NotFound, id="get what is not there"),
    pytest.param(lambda c: c.replace(POLICIES, policy()), NotFound, id="a PUT creates nothing"),
    pytest.param(lambda c: c.delete(POLICIES, "p", "a"), NotFound, id="delete what is not there"),
    pytest.param(lambda c: c.create(NAMESPACES, {"metadata": {"name": "a"}}), AlreadyExists, id="create it again"),
    pytest.param(
        lambda c: c.replace(NAMESPACES, {"metadata": {"name": "a", "resourceVersion": "99"}}),
        Conflict,
        id="an old version",
    ),
    pytest.param(lambda c: c.delete(NAMESPACES, "a", uid="other"), Conflict, id="another uid"),
    pytest.param(
        lambda c: c.create(POLICIES, {"metadata": {"name": "p", "namespace": "b"}}), NotFound, id="no namespace"
    ),
]


@pytest.mark.parametrize(("act", "error"), FAILURES)
def test_failures(cluster: MemoryCluster, act: object, error: type[ClusterError]) -> None:
    assert callable(act)
    with pytest.raises(error):
        act(cluster)


def test_a_write_that_changes_nothing_has_no_new_version(cluster: MemoryCluster) -> None:
    stored = cluster.create(POLICIES, policy())
    assert cluster.replace(POLICIES, stored) == stored
    assert cluster.patch(POLICIES, "p", {"spec": {"order": 1}}, "a") == stored
    assert cluster.patch(POLICIES, "p", {"spec": {"order": 2}}, "a") != stored


def test_a_dry_run_is_admitted_and_stores_nothing(cluster: MemoryCluster) -> None:
    asked: list[bool] = []

    def note(request: Manifest) -> None:
        asked.append(request["dryRun"])

    cluster.validate.append(note)
    cluster.create(POLICIES, policy(), dry_run=True)
    with pytest.raises(NotFound):
        cluster.get(POLICIES, "p", "a")
    assert asked == [True]


def test_a_merge_patch_merges_replaces_and_removes(cluster: MemoryCluster) -> None:
    cluster.create(POLICIES, {**policy(), "spec": {"order": 1, "types": ["Ingress"], "ingress": [{"action": "Deny"}]}})
    found = cluster.patch(POLICIES, "p", {"spec": {"order": None, "types": ["Egress"]}}, "a")
    assert found["spec"] == {"types": ["Egress"], "ingress": [{"action": "Deny"}]}


def test_watches_bring_what_happened_since_and_410_when_it_is_forgotten(cluster: MemoryCluster) -> None:
    version = cluster.list(POLICIES).resource_version
    cluster.create(POLICIES, policy())
    cluster.delete(POLICIES, "p", "a")
    events = [event.type for event in cluster.watch(POLICIES, version)]
    assert events == ["ADDED", "DELETED", "BOOKMARK"]
    cluster.compact()
    with pytest.raises(Gone):
        cluster.watch(POLICIES, version)


def test_mutation_comes_before_validation_and_both_know_who_asks(cluster: MemoryCluster) -> None:
    seen: list[tuple[str, object]] = []

    def mutate(request: Manifest) -> Manifest:
        seen.append((request["userInfo"]["username"], request["object"]["metadata"].get("labels")))
        return {"allowed": True, "patch": [{"op": "add", "path": "/metadata/labels", "value": {"x/y": "1"}}]}

    def validate(request: Manifest) -> Manifest:
        seen.append((request["userInfo"]["username"], request["object"]["metadata"].get("labels")))
        return {"allowed": True}

    cluster.mutate.append(mutate)
    cluster.validate.append(validate)
    stored = cluster.as_user("alice").create(POLICIES, policy())
    assert seen == [("alice", None), ("alice", {"x/y": "1"})]
    assert stored["metadata"]["labels"] == {"x/y": "1"}


def test_a_denial_has_the_webhooks_code_and_words(cluster: MemoryCluster) -> None:
    cluster.validate.append(
        lambda request: {"allowed": False, "status": {"code": 403, "reason": "Forbidden", "message": "no"}}
    )
    with pytest.raises(Forbidden, match="admission webhook denied the request: no"):
        cluster.create(POLICIES, policy())


def test_a_dying_namespace_takes_no_new_objects_and_empties_itself_by_name_less_deletes(
    cluster: MemoryCluster,
) -> None:
    cluster.create(POLICIES, policy())
    seen: list[tuple[str, str, str]] = []
    keep = True

    def validate(request: Manifest) -> Manifest:
        if request["resource"]["resource"] == "networkpolicies":
            seen.append((request["operation"], request["name"], request["userInfo"]["username"]))
            return {"allowed": not keep, "status": {"code": 403, "message": "no"}}
        return {"allowed": True}

    cluster.validate.append(validate)
    cluster.delete(NAMESPACES, "a")
    assert seen == [("DELETE", "", NAMESPACE_CONTROLLER[0])]
    assert cluster.get(NAMESPACES, "a")["status"]["phase"] == "Terminating"
    with pytest.raises(Forbidden, match="being terminated"):
        cluster.create(POLICIES, policy("q"))
    keep = False
    cluster.finish_terminations()
    assert cluster.list(NAMESPACES).items == []
    assert cluster.list(POLICIES).items == []


def test_a_webhook_may_ask_the_cluster_that_asks_it(cluster: MemoryCluster) -> None:
    """From another thread, as a server does; and the write that came in between is not lost."""
    cluster.create(POLICIES, policy())
    asked = threading.Event()

    def validate(request: Manifest) -> Manifest:
        def ask() -> None:
            # Once: the write in between is asked about as well.
            if not asked.is_set():
                asked.set()
                cluster.patch(POLICIES, "p", {"metadata": {"labels": {"between": "1"}}}, "a")

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(5)
        return {"allowed": not thread.is_alive()}

    cluster.validate.append(validate)
    cluster.patch(POLICIES, "p", {"spec": {"order": 2}}, "a")
    found = cluster.get(POLICIES, "p", "a")
    assert (found["spec"]["order"], found["metadata"]["labels"]) == (2, {"between": "1"})
