"""The self-test: what is refused counts as refused, what is not is told at once, and who refuses makes a difference."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.stage import SETTINGS, Stage
from webhook.api import ClusterError, Conflict, Forbidden, Manifest, NoAnswer, NotFound, Unavailable
from webhook.attempts import attempts
from webhook.memory_store import Call
from webhook.policy.objects import CalicoApi
from webhook.policy.settings import Environment, Mode
from webhook.probe import Probe, Result, classify, find_target

WEBHOOK = 'admission webhook "policies.isolation-baseline.io" denied the request: '
ERRORS = [
    pytest.param(Forbidden("x", status=403, message=f"{WEBHOOK}[order-declared] x"), Result.REFUSED, id="the webhook"),
    pytest.param(
        Forbidden(
            "x",
            status=403,
            message="x is forbidden: ValidatingAdmissionPolicy 'a' with binding 'a' denied request: [b] c",
        ),
        Result.REFUSED,
        id="a native policy",
    ),
    pytest.param(ClusterError("x", status=422, message=f"{WEBHOOK}cannot be read"), Result.REFUSED, id="unreadable"),
    pytest.param(
        Unavailable("x", status=500, message=f"{WEBHOOK}cannot judge this request"),
        Result.UNANSWERED,
        id="the webhook cannot judge",
    ),
    pytest.param(
        Unavailable("x", status=500, message='failed calling webhook "policies.isolation-baseline.io": EOF'),
        Result.UNANSWERED,
        id="the webhook is dead",
    ),
    pytest.param(
        ClusterError("x", status=422, message="no params found for policy binding with `Deny` parameterNotFoundAction"),
        Result.UNANSWERED,
        id="the configuration is gone, and the guard's guard says so",
    ),
    pytest.param(
        Forbidden("x", status=403, message='tiers is forbidden: User "a" cannot create resource "tiers"'),
        Result.UNTRIED,
        id="RBAC",
    ),
    pytest.param(NotFound("x", status=404, message="not found"), Result.UNTRIED, id="not there"),
    pytest.param(ClusterError("x", status=422, message="spec.order: Invalid value"), Result.UNTRIED, id="the schema"),
    pytest.param(Conflict("x", status=409, message="the object has been modified"), Result.UNTRIED, id="a race"),
    pytest.param(NoAnswer("x"), Result.UNTRIED, id="no answer"),
]


@pytest.mark.parametrize(("error", "expected"), ERRORS)
def test_who_refused(error: ClusterError, expected: Result) -> None:
    assert classify(error) is expected


class Tried:
    """A settled stage, and a probe on it; the guard refuses, or not."""

    def __init__(self) -> None:
        self.stage = Stage()
        self.stage.namespace("development")
        self.stage.settle()
        self.stage.told()
        self.refuses = True
        self.stage.cluster.validate.append(self.guard)
        self.probe = Probe(
            self.stage.cluster,
            self.stage.mirror.world,
            events=self.stage.events,
            metrics=self.stage.metrics,
            leads=lambda: True,
        )

    def guard(self, request: Manifest) -> Manifest:
        return {"allowed": not self.refuses, "status": {"code": 403, "message": "no"}}

    def outcome(self) -> set[Result]:
        self.probe.try_all()
        return {result for result, _ in self.probe.results.values()}

    def held(self) -> float:
        return self.stage.metric("isolation_baseline_control_probe_holds", path="baseline-deleted")


def test_a_guard_that_refuses_everything_holds() -> None:
    tried = Tried()
    assert tried.outcome() == {Result.REFUSED}
    assert tried.probe.findings() == ()
    assert tried.held() == 1
    assert tried.stage.told() == []


def test_a_guard_that_is_gone_is_found_told_once_and_told_when_it_is_back() -> None:
    tried = Tried()
    tried.probe.try_all()
    tried.refuses = False
    assert tried.outcome() == {Result.OPEN}
    paths = [attempt.path for attempt in attempts(CalicoApi.V1)]
    assert [finding.path for finding in tried.probe.findings()] == sorted(paths)
    assert tried.held() == 0
    events = tried.stage.told()
    assert [reason for reason, _ in events] == ["GuardOpen"] * len(paths)
    tried.probe.try_all()
    assert tried.stage.told() == []
    tried.refuses = True
    tried.stage.time.advance(60)
    assert tried.outcome() == {Result.REFUSED}
    assert {reason for reason, _ in tried.stage.told()} == {"GuardHolds"}


def test_trying_changes_nothing_even_when_nothing_is_refused() -> None:
    tried = Tried()
    tried.refuses = False
    before = dict(tried.stage.cluster.store.objects)
    version = tried.stage.cluster.store.version
    tried.probe.try_all()
    assert (tried.stage.cluster.store.objects, tried.stage.cluster.store.version) == (before, version)
    verbs = ("create", "replace", "patch", "delete")
    writes = [call for call in tried.stage.cluster.calls if call.verb in verbs][-len(attempts(CalicoApi.V1)) :]
    assert all(call.dry_run for call in writes)


def test_what_cannot_be_tried_is_not_called_refused() -> None:
    tried = Tried()

    def forbid(call: Call) -> None:
        raise Forbidden("x", status=403, message='User "a" cannot do this')

    tried.stage.cluster.store.before = forbid
    assert tried.outcome() == {Result.UNTRIED}
    assert (
        tried.stage.metrics.registry.get_sample_value(
            "isolation_baseline_control_probe_holds", {"path": "baseline-deleted"}
        )
        is None
    )


TARGETS = [
    pytest.param(Mode.ENFORCE, True, "development", id="ready and enforced"),
    pytest.param(Mode.WARN, True, None, id="only warned"),
    pytest.param(Mode.AUDIT, True, None, id="only audited"),
    pytest.param(Mode.ENFORCE, False, None, id="not ready yet"),
]


@pytest.mark.parametrize(("mode", "settled", "expected"), TARGETS)
def test_it_is_tried_where_a_refusal_is_due(mode: Mode, settled: bool, expected: str | None) -> None:
    stage = Stage(replace(SETTINGS, environments=(Environment("dev", ("dev*",), mode),)))
    stage.namespace("development")
    stage.namespace("kube-system")
    if settled:
        stage.settle()
    else:
        stage.observe()
    target = find_target(stage.mirror.world())
    assert (target and target.namespace) == expected


def test_without_a_namespace_to_try_on_nothing_is_claimed() -> None:
    tried = Tried()
    tried.stage.cluster.store.objects.clear()
    tried.stage.restart()
    tried.probe._world = tried.stage.mirror.world
    assert tried.outcome() == {Result.UNTRIED}


@pytest.mark.parametrize("api", list(CalicoApi))
def test_every_path_has_a_name_of_its_own_that_can_be_a_label(api: CalicoApi) -> None:
    paths = [attempt.path for attempt in attempts(api)]
    assert len(paths) == len(set(paths)) >= 12
    assert all(re.fullmatch(r"[a-z][a-z-]+[a-z]|baseline-by-its-old-name", path) for path in paths)
