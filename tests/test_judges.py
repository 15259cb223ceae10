"""Judges over a cluster in memory: what they need is known, asked for live, or the answer is no."""

from __future__ import annotations

import uuid

import pytest

from tests.stage import POLICIES, SETTINGS, V3, Time
from webhook.api import NAMESPACES, RESOURCES, ClusterError, Manifest, NoAnswer, Resource
from webhook.judges import LOOK_UP_SECONDS, OLDEST_WORLD, Judging
from webhook.memory import MemoryCluster
from webhook.memory_store import Call
from webhook.observe import Observer
from webhook.policy.objects import CalicoApi
from webhook.policy.parse import parse
from webhook.policy.settings import Settings
from webhook.wire import AdmissionRequest, Answer, GroupVersionKind, GroupVersionResource, User

TIERS = RESOURCES["crd.projectcalico.org/v1", "Tier"]
KINDS = {resource: kind for (_, kind), resource in RESOURCES.items()}


class Held:
    settings: Settings = SETTINGS

    def subscribe(self, listener: object) -> None:
        self.listener = listener


class Court:
    """A Judging whose watches are driven step by step."""

    def __init__(self) -> None:
        self.time = Time()
        self.cluster = MemoryCluster(unserved=V3, linger=False, now=self.time.now)
        self.cluster.create(NAMESPACES, {"metadata": {"name": "development", "labels": {"env": "dev"}}})
        self.cluster.create(TIERS, {"metadata": {"name": "default"}, "spec": {"order": 1000000}})
        self.judging = Judging(self.cluster, Held(), CalicoApi.V1, parse=parse)
        self.judging.observer = Observer(self.cluster, SETTINGS, CalicoApi.V1, parse=parse, clock=self.time)
        self.judges = self.judging.judges()

    def observe(self) -> None:
        for reflector in self.judging.observer._reflectors:
            reflector.step()

    def ask(
        self, path: str, operation: str, resource: Resource, new: Manifest | None, old: Manifest | None = None
    ) -> Answer:
        metadata = ((new if new is not None else old) or {})["metadata"]
        kind = KINDS[resource]
        named = {"apiVersion": resource.api_version, "kind": kind}
        namespace = metadata.get("namespace", "") if resource != NAMESPACES else metadata["name"]
        request = AdmissionRequest(
            uid=str(uuid.uuid4()),
            operation=operation,
            kind=GroupVersionKind(resource.group, resource.version, kind),
            resource=GroupVersionResource(resource.group, resource.version, resource.plural),
            sub_resource="",
            namespace=namespace,
            name=metadata["name"],
            user=User("alice"),
            object=None if new is None else {**named, **new},
            old_object=None if old is None else {**named, **old},
            options=None,
            dry_run=False,
        )
        return self.judges[path](request)

    def create_policy(self, namespace: str, tier: str = "default", order: float | None = 600) -> Answer:
        new = {
            "metadata": {"name": "p", "namespace": namespace},
            "spec": {"tier": tier, "order": order, "selector": "app == 'web'", "types": ["Ingress"]},
        }
        return self.ask("/validate-policy", "CREATE", POLICIES, new)

    def delete_baseline(self) -> Answer:
        old = {
            "metadata": {"name": "default-deny", "namespace": "development", "uid": "u"},
            "spec": {"order": 5000, "types": ["Ingress", "Egress"]},
        }
        return self.ask("/validate-policy", "DELETE", POLICIES, None, old)

    def looks(self) -> list[tuple[str, str]]:
        return [(call.resource.plural, call.name) for call in self.cluster.calls if call.verb == "get"]


@pytest.fixture
def court() -> Court:
    court = Court()
    court.observe()
    return court


def test_what_is_known_is_not_asked_for(court: Court) -> None:
    assert court.create_policy("development").allowed
    assert court.looks() == []


def test_a_namespace_that_the_watch_has_not_brought_yet_is_asked_for(court: Court) -> None:
    court.cluster.create(NAMESPACES, {"metadata": {"name": "test", "labels": {"env": "test"}}})
    assert court.create_policy("test").allowed
    assert court.looks() == [("namespaces", "test")]


def test_a_namespace_that_is_nowhere_is_a_no(court: Court) -> None:
    answer = court.create_policy("nowhere")
    assert (answer.allowed, answer.code) == (False, 500)


def test_an_exempt_namespace_is_not_asked_for(court: Court) -> None:
    assert court.create_policy("kube-system").allowed
    assert court.looks() == []


def fail(call: Call) -> None:
    if call.verb in ("get", "list"):
        raise NoAnswer(f"get {call.name}")


def failing(court: Court) -> None:
    court.cluster.store.before = fail


LOOK_UPS = [
    pytest.param(lambda court: court.create_policy("unknown"), id="an unknown namespace"),
    pytest.param(lambda court: court.create_policy("development", tier="platform"), id="an unknown tier"),
    pytest.param(lambda court: court.delete_baseline(), id="deletion of the baseline"),
]


@pytest.mark.parametrize("act", LOOK_UPS)
def test_a_failed_look_up_is_a_no(court: Court, act: object) -> None:
    failing(court)
    assert callable(act)
    answer = act(court)
    assert (answer.allowed, answer.code, answer.reason) == (False, 500, "InternalError")
    assert "failed; try again" in answer.message


def test_an_unreadable_answer_to_a_look_up_is_a_no(court: Court) -> None:
    court.cluster.create(NAMESPACES, {"metadata": {"name": "odd", "labels": {"env": 3}}})
    answer = court.create_policy("odd")
    assert (answer.allowed, answer.code) == (False, 500)


def test_a_look_up_is_quicker_than_the_api_servers_patience() -> None:
    assert LOOK_UP_SECONDS * 2 <= 3.0


def test_the_baseline_of_a_living_namespace_cannot_be_deleted(court: Court) -> None:
    answer = court.delete_baseline()
    assert (answer.allowed, answer.code) == (False, 403)


def test_the_baseline_of_a_terminating_namespace_can_although_the_watch_does_not_know_yet(court: Court) -> None:
    court.cluster.patch(NAMESPACES, "development", {})
    stored = court.cluster.store.objects[NAMESPACES, "", "development"]
    stored["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert court.delete_baseline().allowed


def test_a_namespace_created_again_is_not_terminating_although_the_watch_still_says_so(court: Court) -> None:
    court.cluster.store.objects[NAMESPACES, "", "development"]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    court.cluster.patch(NAMESPACES, "development", {"metadata": {"annotations": {"a": "b"}}})
    court.observe()
    assert court.judging.observer.world.namespaces["development"].meta.deleting
    del court.cluster.store.objects[NAMESPACES, "", "development"]
    court.cluster.create(NAMESPACES, {"metadata": {"name": "development", "labels": {"env": "dev"}}})
    answer = court.delete_baseline()
    assert (answer.allowed, answer.code) == (False, 403)


def test_an_unknown_tier_is_asked_for(court: Court) -> None:
    court.cluster.create(TIERS, {"metadata": {"name": "late"}, "spec": {"order": 2000000}})
    court.create_policy("development", tier="late")
    assert court.looks() == [("tiers", "late")]


def test_a_world_that_is_too_old_is_a_no_that_says_so(court: Court) -> None:
    court.time.advance(OLDEST_WORLD)
    assert court.create_policy("development").allowed
    court.time.advance(1)
    answer = court.create_policy("development")
    assert (answer.allowed, answer.code) == (False, 500)
    assert "last heard of it 91 s ago" in answer.message
    assert court.judging.is_ready() == (False, "the API server was last heard of 91 s ago")
    court.observe()
    assert court.create_policy("development").allowed
    assert court.judging.is_ready() == (True, "ok")


def test_before_the_first_list_the_answer_is_no() -> None:
    court = Court()
    answer = court.create_policy("development")
    assert (answer.allowed, answer.code) == (False, 500)
    assert "has not read the cluster yet" in answer.message
    ready, why = court.judging.is_ready()
    assert not ready
    assert "namespaces (not asked yet)" in why


def test_labelling_needs_no_world_and_never_stops_a_namespace() -> None:
    court = Court()
    answer = court.ask("/mutate-namespace", "CREATE", NAMESPACES, {"metadata": {"name": "dev-1"}})
    assert answer.allowed
    assert [(operation.path, operation.value) for operation in answer.patch][-1] == ("/metadata/labels/env", "dev")


def leftover(name: str) -> Manifest:
    # Whoever wrote it: it opens everything, without an order.
    return {"metadata": {"name": name, "namespace": "again"}, "spec": {"ingress": [{"action": "Allow"}]}}


def test_what_a_former_namespace_left_is_judged_but_not_what_only_we_still_see(court: Court) -> None:
    court.cluster.create(NAMESPACES, {"metadata": {"name": "again"}})
    court.cluster.create(POLICIES, leftover("open"))
    court.observe()
    new = {"metadata": {"name": "again", "labels": {"env": "dev"}}}
    assert not court.ask("/validate-namespace", "CREATE", NAMESPACES, new).allowed
    court.cluster.delete(POLICIES, "open", "again")
    assert court.ask("/validate-namespace", "CREATE", NAMESPACES, new).allowed
    failing(court)
    assert court.ask("/validate-namespace", "CREATE", NAMESPACES, new).code == 500


def test_other_settings_are_in_force_at_once(court: Court) -> None:
    held = Held()
    judging = Judging(court.cluster, held, CalicoApi.V1, parse=parse)
    assert callable(held.listener)
    held.listener(Settings(environment_label="stage"))
    assert judging.observer.world.settings.environment_label == "stage"


def test_an_error_of_the_cluster_is_never_an_exception_to_the_app(court: Court) -> None:
    def broken(call: Call) -> None:
        raise ClusterError("anything", status=418)

    court.cluster.store.before = broken
    assert not court.create_policy("unknown").allowed
