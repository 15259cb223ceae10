"""The controller on a cluster in memory: every namespace gets, keeps and loses its baseline as it should."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.stage import GLOBAL_POLICIES, POLICIES, SETTINGS, Stage
from webhook.api import NAMESPACES, ClusterError, Manifest, NoAnswer
from webhook.controller import RESYNC_SECONDS
from webhook.memory_store import Call
from webhook.policy.settings import Reach

BASELINE = {"default-deny", "dns-allow"}


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def born(stage: Stage) -> Stage:
    """A stage on which `development` is ready."""
    stage.namespace("development")
    stage.settle()
    return stage


def test_the_floor_comes_before_anything_else() -> None:
    stage = Stage(cluster=None)
    stage.namespace("development")
    stage.restart()
    before = len(stage.cluster.calls)
    stage.settle()
    written = [c for c in stage.cluster.calls[before:] if c.verb in ("create", "patch")]
    assert (written[0].resource, written[0].name) == (GLOBAL_POLICIES, "isolation-floor")
    assert len(written) > 1


def test_a_new_namespace_gets_label_policies_and_mark_in_this_order(stage: Stage) -> None:
    stage.settle()
    stage.namespace("development")
    before = len(stage.writes())
    stage.settle()
    assert stage.writes()[before:] == [
        "patch namespaces /development",
        "create networkpolicies development/default-deny",
        "create networkpolicies development/dns-allow",
        "create networkpolicies development/development-ns-allow",
        "patch namespaces /development",
    ]
    assert stage.cluster.get(NAMESPACES, "development")["metadata"]["labels"]["env"] == "dev"
    orders = {name: policy["spec"]["order"] for name, policy in stage.policies("development").items()}
    assert orders == {"default-deny": 5000, "dns-allow": 4000, "development-ns-allow": 500}


def test_a_settled_cluster_is_written_to_no_more(born: Stage) -> None:
    before = len(born.writes())
    born.controller.look_at_all()
    born.settle()
    born.restart()
    born.settle()
    assert born.writes()[before:] == []


def test_the_mark_says_the_seconds_since_the_namespace_arrived(stage: Stage) -> None:
    stage.settle()
    stage.namespace("development")
    stage.observe()
    stage.time.advance(0.25)
    stage.settle()
    metadata = stage.cluster.get(NAMESPACES, "development")["metadata"]
    assert metadata["annotations"] == {
        "isolation-baseline.io/ready-for": metadata["uid"],
        "isolation-baseline.io/ready-seconds": "0.250",
    }
    assert stage.told() == [("BaselineReady", "the baseline is in place after 0.250 s")]


def test_a_namespace_from_before_our_start_counts_from_its_creation(stage: Stage) -> None:
    stage.namespace("development")
    stage.time.advance(90)
    stage.restart()
    stage.settle()
    annotations = stage.cluster.get(NAMESPACES, "development")["metadata"]["annotations"]
    assert annotations["isolation-baseline.io/ready-seconds"] == "90.000"


def test_exempt_namespaces_are_left_alone(stage: Stage) -> None:
    stage.namespace("kube-system")
    stage.settle()
    assert stage.policies("kube-system") == {}
    assert "annotations" not in stage.cluster.get(NAMESPACES, "kube-system")["metadata"]


def test_a_label_that_is_there_stays(stage: Stage) -> None:
    stage.namespace("development", labels={"env": "test"})
    stage.settle()
    assert stage.cluster.get(NAMESPACES, "development")["metadata"]["labels"]["env"] == "test"


def deleted(stage: Stage) -> None:
    stage.cluster.delete(POLICIES, "default-deny", "development")


def all_deleted(stage: Stage) -> None:
    for name in stage.policies("development"):
        stage.cluster.delete(POLICIES, name, "development")


def changed(**spec: object) -> object:
    def change(stage: Stage) -> None:
        stage.cluster.patch(POLICIES, "default-deny", {"spec": spec}, "development")

    return change


def owned(stage: Stage) -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "u"}
    stage.cluster.patch(POLICIES, "default-deny", {"metadata": {"ownerReferences": [owner]}}, "development")


def held(stage: Stage) -> None:
    stage.cluster.patch(POLICIES, "default-deny", {"metadata": {"finalizers": ["x.example/hold"]}}, "development")


def unreadable(stage: Stage) -> None:
    stage.cluster.patch(POLICIES, "default-deny", {"spec": {"types": "Ingress"}}, "development")


DAMAGE = [
    pytest.param(deleted, id="default-deny is deleted"),
    pytest.param(all_deleted, id="all three are deleted"),
    pytest.param(changed(order=6000), id="the order is changed"),
    pytest.param(changed(selector="app == 'x'"), id="the selector is narrowed"),
    pytest.param(changed(doNotTrack=True), id="a field is added"),
    pytest.param(changed(ingress=[{"action": "Allow"}, {"action": "Deny"}]), id="a rule is put before ours"),
    pytest.param(owned, id="an owner is set"),
    pytest.param(held, id="a finalizer is set"),
    pytest.param(unreadable, id="it cannot be read any more"),
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_to_the_baseline_is_repaired(born: Stage, damage: object) -> None:
    def essence() -> dict[str, Manifest]:
        return {
            name: {
                "spec": p["spec"],
                "own": p["metadata"].get("ownerReferences"),
                "fin": p["metadata"].get("finalizers"),
            }
            for name, p in born.policies("development").items()
        }

    before = essence()
    assert callable(damage)
    damage(born)
    assert essence() != before
    born.told()
    born.settle()
    assert essence() == before
    assert [reason for reason, _ in born.told()] == ["BaselineRepaired"]


def test_a_tenants_own_policy_is_none_of_ours(born: Stage) -> None:
    own = {"metadata": {"name": "test-ns-allow", "namespace": "development"}, "spec": {"order": 600}}
    born.cluster.create(POLICIES, own)
    before = born.writes()
    born.settle()
    assert born.writes() == before


def test_a_changed_floor_is_put_back(born: Stage) -> None:
    born.cluster.patch(GLOBAL_POLICIES, "isolation-floor", {"spec": {"egress": [{"action": "Allow"}]}})
    born.settle()
    floor = born.cluster.get(GLOBAL_POLICIES, "isolation-floor")
    assert floor["spec"]["egress"][-1] == {"action": "Deny"}
    born.cluster.delete(GLOBAL_POLICIES, "isolation-floor")
    born.settle()
    assert born.cluster.get(GLOBAL_POLICIES, "isolation-floor")["spec"]["order"] == 6000


def test_a_namespace_created_again_is_a_new_one(born: Stage) -> None:
    old = born.cluster.get(NAMESPACES, "development")["metadata"]["uid"]
    born.cluster.delete(NAMESPACES, "development")
    born.namespace("development")
    born.settle()
    metadata = born.cluster.get(NAMESPACES, "development")["metadata"]
    assert metadata["uid"] != old
    assert metadata["annotations"]["isolation-baseline.io/ready-for"] == metadata["uid"]
    assert set(born.policies("development")) == {*BASELINE, "development-ns-allow"}


FORGED = [
    pytest.param("", id="empty"),
    pytest.param("true", id="a word"),
    pytest.param("0b0f3a5e-0000-4000-8000-000000000000", id="another uid, as from a backup"),
]


@pytest.mark.parametrize("forged", FORGED)
def test_a_mark_that_a_namespace_brings_along_counts_for_nothing(stage: Stage, forged: str) -> None:
    stage.settle()
    marks = {"isolation-baseline.io/ready-for": forged, "isolation-baseline.io/ready-seconds": "forged"}
    stage.namespace("development", annotations=marks)
    stage.settle()
    metadata = stage.cluster.get(NAMESPACES, "development")["metadata"]
    assert metadata["annotations"]["isolation-baseline.io/ready-for"] == metadata["uid"]
    assert metadata["annotations"]["isolation-baseline.io/ready-seconds"] != "forged"
    assert set(stage.policies("development")) == {*BASELINE, "development-ns-allow"}


def test_policies_of_a_former_namespace_that_only_we_still_see_make_nothing_ready(born: Stage) -> None:
    """The watch of policies is behind that of namespaces: the old ones are gone, and we do not know."""
    born.cluster.delete(NAMESPACES, "development")
    born.namespace("development")
    next(reflector for reflector in born.reflectors if reflector.resource == NAMESPACES).step()
    born.work()
    metadata = born.cluster.get(NAMESPACES, "development")["metadata"]
    assert metadata["annotations"]["isolation-baseline.io/ready-for"] == metadata["uid"]
    assert set(born.policies("development")) == {*BASELINE, "development-ns-allow"}


def refuse_deletes(request: Manifest) -> Manifest:
    """A webhook that keeps one policy, so that the namespace stays terminating."""
    if request["operation"] == "DELETE" and request["oldObject"]["metadata"]["name"] == "zzz":
        return {"allowed": False, "status": {"code": 403, "message": "no"}}
    return {"allowed": True}


def test_nothing_is_made_anew_in_a_terminating_namespace() -> None:
    stage = Stage()
    stage.cluster.validate.append(refuse_deletes)
    stage.namespace("development")
    stage.settle()
    stage.cluster.create(POLICIES, {"metadata": {"name": "zzz", "namespace": "development"}, "spec": {"order": 600}})
    stage.cluster.delete(NAMESPACES, "development")
    assert set(stage.policies("development")) == {"zzz"}
    before = stage.writes()
    stage.settle()
    stage.controller.look_at_all()
    stage.settle()
    assert stage.writes() == before


def test_a_namespace_that_goes_while_we_work_is_no_failure(stage: Stage) -> None:
    stage.settle()
    stage.namespace("development")

    def goes(call: Call) -> None:
        if call.verb == "create" and call.name == "dns-allow":
            stage.cluster.store.before = None
            stage.cluster.delete(NAMESPACES, "development")

    stage.cluster.store.before = goes
    stage.settle()
    assert stage.policies("development") == {}
    assert stage.metric("isolation_baseline_control_failures_total", reason="NotFound") == 0


KILLED = [pytest.param(n, id=f"after write {n}") for n in range(1, 7)]


class Killed(BaseException):
    """The process ended here."""


@pytest.mark.parametrize("writes", KILLED)
@pytest.mark.parametrize("before", [True, False], ids=["before the write", "after the write"])
def test_killed_at_any_write_and_started_again_everything_is_there_once(writes: int, before: bool) -> None:
    stage = Stage()
    stage.namespace("development")
    stage.namespace("other")
    stage.restart()
    count = 0

    def kill(call: Call) -> None:
        nonlocal count
        count += call.verb in ("create", "patch")
        if count == writes + (not before):
            raise Killed

    stage.cluster.store.before = kill
    with pytest.raises(Killed):
        stage.settle()
    stage.cluster.store.before = None
    stage.restart()
    stage.settle()
    for name in ("development", "other"):
        assert set(stage.policies(name)) == {*BASELINE, f"{name}-ns-allow"}
        metadata = stage.cluster.get(NAMESPACES, name)["metadata"]
        assert metadata["annotations"]["isolation-baseline.io/ready-for"] == metadata["uid"]


def test_a_write_without_an_answer_is_tried_again_later(stage: Stage) -> None:
    stage.settle()
    stage.namespace("development")
    failures = 2

    def fail(call: Call) -> None:
        nonlocal failures
        if call.verb == "create" and call.name == "dns-allow" and failures:
            failures -= 1
            raise NoAnswer("create dns-allow", reason="ReadTimeoutError")

    stage.cluster.store.before = fail
    stage.settle()
    assert "dns-allow" not in stage.policies("development")
    stage.time.advance(0.1)
    stage.settle()
    assert "dns-allow" not in stage.policies("development")
    stage.time.advance(0.1)
    stage.settle()
    assert "dns-allow" not in stage.policies("development"), "the second pause is longer than the first"
    stage.time.advance(0.11)
    stage.settle()
    assert set(stage.policies("development")) == {*BASELINE, "development-ns-allow"}
    assert stage.metric("isolation_baseline_control_failures_total", reason="NoAnswer") == 2


def test_a_write_that_happened_without_an_answer_is_not_made_twice(stage: Stage) -> None:
    """The API server stored the policy and the connection broke: the next create meets it and leaves it."""
    stage.settle()
    stage.namespace("development")
    create = stage.cluster.create
    broken: list[Manifest] = []

    def once(resource: object, manifest: Manifest, **options: object) -> Manifest:
        stored = create(resource, manifest, **options)  # type: ignore[arg-type]  # handed on as they came
        if manifest["metadata"]["name"] == "default-deny" and not broken:
            broken.append(stored)
            raise NoAnswer("create default-deny")
        return stored

    stage.cluster.create = once  # type: ignore[method-assign]  # one method of a fake that fails once
    stage.settle()
    stage.time.advance(1)
    stage.settle()
    assert stage.policies("development")["default-deny"]["metadata"]["uid"] == broken[0]["metadata"]["uid"]


def test_a_failing_floor_does_not_keep_namespaces_waiting_for_ever() -> None:
    stage = Stage()
    stage.namespace("development")

    def fail(call: Call) -> None:
        if call.verb == "create" and call.name == "isolation-floor":
            raise ClusterError("create isolation-floor", status=500)

    stage.cluster.store.before = fail
    stage.settle()
    assert stage.policies("development") == {}
    for _ in range(5):
        stage.time.advance(5)
        stage.settle()
    assert set(stage.policies("development")) == {*BASELINE, "development-ns-allow"}
    stage.cluster.store.before = None
    stage.time.advance(60)
    stage.settle()
    assert stage.cluster.get(GLOBAL_POLICIES, "isolation-floor")


def test_who_does_not_lead_writes_nothing() -> None:
    stage = Stage()
    stage.settle()
    stage.restart(lead=False)
    stage.namespace("development")
    before = stage.writes()
    stage.settle()
    assert stage.writes() == before


def test_who_stops_leading_stops_between_two_steps(stage: Stage) -> None:
    stage.settle()
    stage.namespace("development")

    def depose(call: Call) -> None:
        if call.verb == "create" and call.name == "default-deny":
            stage.leads = False

    stage.cluster.store.before = depose
    stage.settle()
    assert set(stage.policies("development")) == {"default-deny"}


def test_other_settings_reach_every_namespace(born: Stage) -> None:
    born.mirror.use(replace(SETTINGS, same_environment=Reach.NONE))
    born.controller.look_at_all()
    born.settle()
    assert set(born.policies("development")) == BASELINE


def test_a_policy_that_somebody_made_first_is_taken_over(stage: Stage) -> None:
    stage.namespace("development")
    squatter = {"metadata": {"name": "default-deny", "namespace": "development"}, "spec": {"order": 1}}
    stage.cluster.create(POLICIES, squatter)
    stage.settle()
    assert stage.policies("development")["default-deny"]["spec"]["order"] == 5000


def test_everything_is_looked_at_again_now_and_then(born: Stage) -> None:
    looks: list[str] = []
    born.controller.register(":other", lambda: looks.append("other"))
    born.time.advance(RESYNC_SECONDS)
    assert born.work() == len([":everything", ":floor", ":other", "development"])
    assert looks == ["other"]
    born.time.advance(RESYNC_SECONDS)
    born.work()
    assert looks == ["other", "other"]


def test_a_fault_of_ours_is_said_whole_and_stops_nothing_else(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise ZeroDivisionError("a fault of ours")

    stage.controller.register(":broken", broken)
    stage.namespace("development")
    stage.settle()
    assert len(stage.policies("development")) == 3
    assert "ZeroDivisionError: a fault of ours" in caplog.text
    assert stage.metric("isolation_baseline_control_failures_total", reason="ZeroDivisionError") == 1
