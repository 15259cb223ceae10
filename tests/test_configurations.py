"""The guard's own configurations in the API: installed, put back, and no quarrel without end."""

from __future__ import annotations

import pytest

from tests.stage import Time
from webhook.api import RESOURCES, ClusterError, Forbidden, Manifest, NoAnswer
from webhook.configurations import CONTEST_COUNT, CONTEST_PAUSE, KEY, WATCHED, Configurations
from webhook.control_metrics import ControlMetrics
from webhook.memory import MemoryCluster
from webhook.memory_store import Call
from webhook.reflect import Reflector
from webhook.workqueue import WorkQueue

WEBHOOKS = RESOURCES["admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"]
POLICIES = RESOURCES["admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"]


def configuration(**webhook: object) -> Manifest:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "isolation-baseline", "labels": {"ours": "yes"}},
        "webhooks": [
            {"name": "a.example.io", "clientConfig": {"url": "https://x/"}, "failurePolicy": "Fail", **webhook}
        ],
    }


NATIVE = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": "native"},
    "spec": {"failurePolicy": "Fail"},
}


class Kept:
    def __init__(self, *desired: Manifest) -> None:
        self.time = Time()
        self.desired = list(desired)
        self.cluster = MemoryCluster(linger=False)
        self.queue = WorkQueue(clock=self.time, jitter=lambda: 0.5)
        self.metrics = ControlMetrics()
        self.kept = Configurations(self.cluster, lambda: self.desired, self.queue, self.metrics, clock=self.time)
        self.reflectors = [
            Reflector(self.cluster, resource, self.kept, clock=self.time, jitter=lambda: 0.5) for resource in WATCHED
        ]

    def settle(self) -> int:
        """Observe and look until there is nothing to do; how many looks it took."""
        for looks in range(100):
            for reflector in self.reflectors:
                reflector.step()
            key = self.queue.get(wait=False)
            if key is None:
                return looks
            assert key == KEY
            self.kept.look()
            self.queue.done(key)
        raise AssertionError("does not settle")

    def webhooks(self) -> Manifest:
        return self.cluster.get(WEBHOOKS, "isolation-baseline")

    def restored(self, kind: str) -> float:
        return self.metrics.registry.get_sample_value("isolation_baseline_control_restored_total", {"kind": kind}) or 0


@pytest.fixture
def kept() -> Kept:
    kept = Kept(configuration(), NATIVE)
    kept.settle()
    return kept


def test_they_are_installed_at_the_start_which_is_no_repair(kept: Kept) -> None:
    assert kept.webhooks()["webhooks"] == configuration()["webhooks"]
    assert kept.cluster.get(POLICIES, "native")["spec"] == {"failurePolicy": "Fail"}
    assert kept.restored("ValidatingWebhookConfiguration") == 0
    assert kept.settle() == 0


def test_a_deleted_one_is_back(kept: Kept) -> None:
    kept.cluster.delete(POLICIES, "native")
    kept.settle()
    assert kept.cluster.get(POLICIES, "native")
    assert kept.restored("ValidatingAdmissionPolicy") == 1


CHANGES = [
    pytest.param({"webhooks": []}, id="emptied"),
    pytest.param({"webhooks": configuration(failurePolicy="Ignore")["webhooks"]}, id="failing open"),
    pytest.param(
        {"webhooks": configuration(matchConditions=[{"name": "n", "expression": "false"}])["webhooks"]},
        id="a condition added",
    ),
    pytest.param({"webhooks": configuration()["webhooks"] * 2}, id="a webhook added"),
    pytest.param({"metadata": {"labels": {"ours": "no"}}}, id="our label changed"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_one_is_put_back_whole(kept: Kept, change: Manifest) -> None:
    before = kept.webhooks()
    kept.cluster.patch(WEBHOOKS, "isolation-baseline", change)
    kept.settle()
    after = kept.webhooks()
    assert (after["webhooks"], after["metadata"]["labels"]) == (before["webhooks"], before["metadata"]["labels"])
    assert kept.restored("ValidatingWebhookConfiguration") == 1


def test_labels_and_annotations_of_others_stay(kept: Kept) -> None:
    theirs = {"metadata": {"labels": {"theirs": "1"}, "annotations": {"theirs": "2"}}}
    kept.cluster.patch(WEBHOOKS, "isolation-baseline", theirs)
    kept.settle()
    metadata = kept.webhooks()["metadata"]
    assert metadata["labels"] == {"ours": "yes", "theirs": "1"}
    assert metadata["annotations"] == {"theirs": "2"}


def test_the_ca_that_another_issues_stays_and_ours_does_not_give_way(kept: Kept) -> None:
    issued = configuration(clientConfig={"url": "https://x/", "caBundle": "Q0E="})
    kept.cluster.patch(WEBHOOKS, "isolation-baseline", {"webhooks": issued["webhooks"]})
    kept.settle()
    assert kept.webhooks()["webhooks"][0]["clientConfig"]["caBundle"] == "Q0E="
    kept.desired[0] = configuration(clientConfig={"url": "https://x/", "caBundle": "T1VSUw=="})
    kept.queue.add(KEY)
    kept.settle()
    assert kept.webhooks()["webhooks"][0]["clientConfig"]["caBundle"] == "T1VSUw=="


MUTATING = RESOURCES["admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"]
AT_WORST = [
    pytest.param(Forbidden, True, id="one kind is forbidden"),
    pytest.param(NoAnswer, False, id="nobody answers"),
]


@pytest.mark.parametrize(("error", "others_are_kept"), AT_WORST)
def test_one_that_cannot_be_written_does_not_stop_the_others(error: type[ClusterError], others_are_kept: bool) -> None:
    kept = Kept({**configuration(), "kind": "MutatingWebhookConfiguration"}, configuration(), NATIVE)

    def refuse(call: Call) -> None:
        if call.verb == "create" and call.resource == MUTATING:
            raise error(f"create {call.resource}")

    kept.cluster.store.before = refuse
    for _ in range(2):
        # Raised, so that the controller tries again; a second try finds it missing still.
        with pytest.raises(error, match="create mutatingwebhookconfigurations"):
            kept.kept.look()
        assert [bool(kept.cluster.list(r).items) for r in (WEBHOOKS, POLICIES)] == [others_are_kept] * 2
    kept.cluster.store.before = None
    kept.kept.look()
    assert all(kept.cluster.list(resource).items for resource in (MUTATING, WEBHOOKS, POLICIES))
    assert kept.restored("MutatingWebhookConfiguration") == 0


def test_other_configurations_are_none_of_ours(kept: Kept) -> None:
    kept.cluster.create(WEBHOOKS, {**configuration(), "metadata": {"name": "somebody-elses"}})
    assert kept.settle() == 0


def test_against_another_controller_we_insist_but_once_a_second(kept: Kept) -> None:
    def weaken() -> None:
        kept.cluster.patch(WEBHOOKS, "isolation-baseline", {"webhooks": []})

    for _ in range(CONTEST_COUNT):
        weaken()
        assert kept.settle() == 1
    weaken()
    assert kept.settle() == 0
    kept.time.advance(CONTEST_PAUSE)
    assert kept.settle() == 1
    assert kept.webhooks()["webhooks"]
