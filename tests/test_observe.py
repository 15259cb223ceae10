"""Observing: the World follows the cluster through watches, gaps and restarts, and bad objects stay out of it."""

from __future__ import annotations

import pytest

from tests.stage import POLICIES, SETTINGS, V3, Time
from webhook.api import NAMESPACES, Cluster, ClusterError, Forbidden, Listing, Manifest, NoAnswer, Resource
from webhook.memory import MemoryCluster
from webhook.memory_store import Call
from webhook.observe import Mirror, Observer, Seen, resources_of
from webhook.policy.objects import CalicoApi, Namespace, Ref
from webhook.policy.parse import parse
from webhook.reflect import ABSENT_SECONDS, LONGEST_PAUSE, SHORTEST_WATCH, Reflector


class Watched:
    """One resource of a cluster in memory, watched step by step."""

    def __init__(self, resource: Resource = NAMESPACES) -> None:
        self.time = Time()
        self.cluster = MemoryCluster(unserved=V3, linger=False)
        self.mirror = Mirror(SETTINGS, CalicoApi.V1, parse)
        self.seen: list[Seen] = []
        self.mirror.subscribe(self.seen.append)
        self.reflector = Reflector(self.cluster, resource, self.mirror, clock=self.time, jitter=lambda: 0.5)

    def create(self, name: str, **metadata: object) -> Manifest:
        return self.cluster.create(NAMESPACES, {"metadata": {"name": name, **metadata}})

    def names(self) -> list[str]:
        return sorted(self.mirror.world().namespaces)

    def told(self) -> list[tuple[str, str]]:
        told = [(s.name, "deleted" if s.deleted else "listed" if s.listed else "live") for s in self.seen]
        self.seen.clear()
        return told

    def count(self, verb: str) -> int:
        return sum(call.verb == verb for call in self.cluster.calls)


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_what_is_listed_and_what_comes_after_is_in_the_world(watched: Watched) -> None:
    watched.create("a")
    watched.reflector.step()
    assert (watched.names(), watched.told()) == (["a"], [("a", "listed")])
    watched.create("b", labels={"env": "dev"})
    watched.cluster.delete(NAMESPACES, "a")
    watched.reflector.step()
    assert (watched.names(), watched.told()) == (["b"], [("b", "live"), ("a", "live"), ("a", "deleted")])
    assert watched.mirror.world().environment_of("b") == "dev"


def test_a_watch_goes_on_where_the_last_ended(watched: Watched) -> None:
    for name in ("a", "b", "c"):
        watched.create(name)
        watched.reflector.step()
    assert watched.count("list") == 1
    assert watched.names() == ["a", "b", "c"]


def test_bookmarks_keep_a_quiet_watch_from_growing_too_old(watched: Watched) -> None:
    """Others' writes move the version on and the past is forgotten: without the bookmark this would be a relist."""
    watched.reflector.step()
    other = Resource("", "v1", "configmaps")
    watched.cluster.create(NAMESPACES, {"metadata": {"name": "a"}})
    watched.cluster.create(other, {"metadata": {"name": "x", "namespace": "a"}})
    watched.reflector.step()
    watched.cluster.compact()
    watched.reflector.step()
    assert watched.count("list") == 1


def test_after_410_the_list_tells_what_vanished_meanwhile(watched: Watched) -> None:
    watched.create("stays")
    watched.create("goes")
    watched.reflector.step()
    watched.told()
    watched.cluster.delete(NAMESPACES, "goes")
    watched.create("new")
    watched.cluster.compact()
    assert watched.reflector.step() == 0.0
    watched.reflector.step()
    assert watched.names() == ["new", "stays"]
    assert sorted(watched.told()) == [("goes", "deleted"), ("new", "listed")]


def test_410_over_and_over_is_asked_for_less_and_less_often(watched: Watched) -> None:
    watched.reflector.step()

    def too_old(call: Call) -> None:
        if call.verb == "watch":
            watched.cluster.store.forgotten = 10**9

    watched.cluster.store.before = too_old
    pauses = [watched.reflector.step() for _ in range(12)]
    assert pauses[0] == 0.0
    assert pauses[1:5] == [0.5, 1.0, 2.0, 4.0]
    assert pauses[-1] == LONGEST_PAUSE


@pytest.mark.parametrize("error", [NoAnswer("list"), Forbidden("list", status=403), ClusterError("list", status=500)])
def test_failures_pause_longer_and_longer_and_success_starts_over(watched: Watched, error: ClusterError) -> None:
    def fail(call: Call) -> None:
        raise error

    watched.cluster.store.before = fail
    pauses = [watched.reflector.step() for _ in range(10)]
    assert pauses[:4] == [0.25, 0.5, 1.0, 2.0]
    assert max(pauses) == LONGEST_PAUSE
    assert not watched.reflector.synced.is_set()
    watched.cluster.store.before = None
    assert watched.reflector.step() == SHORTEST_WATCH
    assert watched.reflector.synced.is_set()
    watched.cluster.store.before = fail
    assert watched.reflector.step() == 0.25


def test_an_outage_is_said_once_and_so_is_its_end(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    watched.reflector.step()
    count = 0

    def fail(call: Call) -> None:
        nonlocal count
        count += 1
        raise NoAnswer("watch", reason="ReadTimeoutError", message=f"attempt {count}")

    watched.cluster.store.before = fail
    for _ in range(5):
        watched.reflector.step()
    assert watched.reflector.error == "ReadTimeoutError"
    watched.cluster.store.before = None
    watched.reflector.step()
    watched.reflector.step()
    assert (watched.reflector.error, count) == ("", 5)
    events = [record.getMessage().split()[0] for record in caplog.records]
    assert events == ["event=watch-failed", "event=watch-resumed"]


def test_a_server_that_ends_watches_at_once_is_not_asked_in_a_loop(watched: Watched) -> None:
    assert [watched.reflector.step() for _ in range(3)] == [SHORTEST_WATCH] * 3


def test_a_resource_that_is_not_served_is_looked_for_slowly_and_counts_as_known(watched: Watched) -> None:
    watched.create("a")
    watched.reflector.step()
    watched.cluster.store.unserved.add(NAMESPACES)
    assert watched.reflector.step() == ABSENT_SECONDS
    assert watched.reflector.synced.is_set()
    assert watched.names() == []
    watched.cluster.store.unserved.clear()
    watched.reflector.step()
    assert watched.names() == ["a"]


def test_contact_is_every_answer_and_nothing_else(watched: Watched) -> None:
    watched.reflector.step()
    watched.time.advance(60)
    watched.cluster.store.before = lambda call: (_ for _ in ()).throw(NoAnswer("watch"))
    watched.reflector.step()
    assert watched.time() - watched.reflector.contact == 60
    watched.cluster.store.before = None
    watched.reflector.step()
    assert watched.time() - watched.reflector.contact == 0


def test_a_world_is_never_changed_once_it_was_given_out(watched: Watched) -> None:
    watched.create("a")
    watched.reflector.step()
    before = watched.mirror.world()
    watched.create("b")
    watched.reflector.step()
    assert sorted(before.namespaces) == ["a"]
    assert watched.mirror.world() is watched.mirror.world()


def policy(name: str, **spec: object) -> Manifest:
    return {"metadata": {"name": name, "namespace": "a"}, "spec": spec}


def test_what_cannot_be_read_is_kept_out_said_once_and_let_in_when_it_can(caplog: pytest.LogCaptureFixture) -> None:
    watched = Watched(POLICIES)
    watched.create("a")
    watched.cluster.create(POLICIES, policy("bad", order=1, types="Ingress"))
    watched.cluster.create(POLICIES, policy("good", order=600))
    watched.reflector.step()
    watched.cluster.patch(POLICIES, "bad", {"spec": {"order": 2}}, "a")
    watched.reflector.step()
    ref = Ref("crd.projectcalico.org", "NetworkPolicy", "a", "bad")
    assert ref not in watched.mirror.world().policies
    assert len(watched.mirror.world().policies) == 1
    assert caplog.text.count("event=unreadable") == 1
    assert list(watched.mirror.unreadable) == [(POLICIES, "a", "bad")]
    watched.cluster.patch(POLICIES, "bad", {"spec": {"types": ["Ingress"]}}, "a")
    watched.reflector.step()
    assert ref in watched.mirror.world().policies
    assert watched.mirror.unreadable == {}


def test_what_becomes_unreadable_leaves_the_world() -> None:
    watched = Watched(POLICIES)
    watched.create("a")
    watched.cluster.create(POLICIES, policy("p", order=600))
    watched.reflector.step()
    assert len(watched.mirror.world().policies) == 1
    watched.cluster.patch(POLICIES, "p", {"spec": {"types": "Ingress"}}, "a")
    watched.reflector.step()
    assert len(watched.mirror.world().policies) == 0


def test_our_own_writes_are_known_before_the_watch_brings_them(watched: Watched) -> None:
    watched.reflector.step()
    stored = watched.create("a")
    watched.mirror.note(NAMESPACES, stored)
    assert watched.names() == ["a"]
    watched.reflector.step()
    assert watched.told() == [], "the watch brings nothing new"


def test_an_older_event_does_not_undo_what_we_know(watched: Watched) -> None:
    old = watched.create("a")
    new = watched.cluster.patch(NAMESPACES, "a", {"metadata": {"labels": {"env": "dev"}}})
    watched.mirror.note(NAMESPACES, new)
    watched.mirror.apply(NAMESPACES, "ADDED", old)
    watched.mirror.apply(NAMESPACES, "DELETED", old)
    watched.mirror.replace(NAMESPACES, Listing([], old["metadata"]["resourceVersion"]))
    assert watched.mirror.world().environment_of("a") == "dev"
    gone = {**new, "metadata": {**new["metadata"], "resourceVersion": "99"}}
    watched.mirror.apply(NAMESPACES, "DELETED", gone)
    assert watched.names() == []


def test_a_burst_is_published_once(watched: Watched) -> None:
    watched.reflector.step()
    for number in range(50):
        watched.create(f"n{number}")
    watched.reflector.step()
    assert len(watched.names()) == 50


def test_an_observer_starts_syncs_and_stops() -> None:
    cluster = MemoryCluster(unserved=V3)
    cluster.create(NAMESPACES, {"metadata": {"name": "a"}})
    typed: Cluster = cluster
    observer = Observer(typed, SETTINGS, CalicoApi.V1, parse=parse)
    assert not observer.is_synced()
    assert observer.unsynced()["namespaces"] == "not asked yet"
    observer.start()
    assert observer.wait_synced(10)
    assert observer.age() < 10
    assert isinstance(observer.world.namespaces["a"], Namespace)
    observer.stop()
    assert not any(thread.is_alive() for thread in observer._threads)


MODES = [
    pytest.param(CalicoApi.V1, {"crd.projectcalico.org"}, id="v1"),
    pytest.param(CalicoApi.AGGREGATED, {"projectcalico.org"}, id="aggregated"),
    pytest.param(CalicoApi.NATIVE, {"projectcalico.org"}, id="native"),
    pytest.param(CalicoApi.KUBERNETES, {"crd.projectcalico.org"}, id="kubernetes"),
]


@pytest.mark.parametrize(("api", "calico"), MODES)
def test_each_mode_observes_one_calico_group_and_all_others(api: CalicoApi, calico: set[str]) -> None:
    groups = {resource.group for resource in resources_of(api)}
    assert groups == {"", "networking.k8s.io", "policy.networking.k8s.io", *calico}
    assert {r.plural for r in resources_of(api, workloads=True)} - {r.plural for r in resources_of(api)} == {
        "pods",
        "serviceaccounts",
    }


def test_an_answer_that_comes_after_the_deletion_brings_nothing_back() -> None:
    """A write that empties the finalizers of a deleting object deletes it; the watch may tell so before the answer."""
    mirror = Mirror(SETTINGS, CalicoApi.V1, parse)
    mirror.replace(NAMESPACES, Listing([], "1"))
    namespace = {"metadata": {"name": "a", "uid": "u", "resourceVersion": "2"}}
    mirror.apply(NAMESPACES, "ADDED", namespace)
    mirror.apply(NAMESPACES, "DELETED", {"metadata": {**namespace["metadata"], "resourceVersion": "4"}})
    mirror.note(NAMESPACES, {"metadata": {**namespace["metadata"], "resourceVersion": "3"}})
    assert dict(mirror.world().namespaces) == {}
    mirror.note(NAMESPACES, {"metadata": {**namespace["metadata"], "resourceVersion": "5"}})
    assert set(mirror.world().namespaces) == {"a"}
