"""Attacks that take several steps: what break-glass did, what the collector does, what dies slowly and comes again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.guarded.attacks_baseline import DENY, GONE_OWNER, HERE, metadata, spec
from tests.guarded.attacks_namespaces import EMPTIED, born, env
from tests.guarded.attempt import CALICO, DEV, NAMESPACES, Stage, delete, merge, post, put
from tests.guarded.conftest import Guarded
from tests.guarded.policies import EVERYTHING, local
from tests.guarded.test_attacks import stage

__all__ = ["stage"]  # a fixture

FROM_TEST = {"ingress": [{"action": "Allow", "source": {"namespaceSelector": 'env == "test"'}}]}


@pytest.fixture
def held(guarded: Guarded, stage: Stage) -> Iterator[str]:
    """A namespace that is being deleted, and waits for a finalizer on what is in it."""
    name = "dev-held"
    guarded.namespace(name)
    stuck = {"metadata": {"name": "stuck", "finalizers": ["mine.example/hold"]}}
    assert stage.send("tenant", post(f"{NAMESPACES}/{name}/configmaps", stuck)).status == 201
    assert stage.send("tenant", delete(f"{NAMESPACES}/{name}")).status == 200
    yield name
    stage.send("tenant", merge(f"{NAMESPACES}/{name}/configmaps/stuck", {"metadata": {"finalizers": None}}))
    stage.plane.until(
        lambda: stage.plane.request("GET", f"{NAMESPACES}/{name}")[0] == 404 or None, f"the end of {name}"
    )


def _as_before(stage: Stage, path: str, before: Any) -> bool:
    return stage.look((path,))[path] == before


@pytest.mark.parametrize(
    "change", [spec(order=9000000), {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}}]
)
def test_break_glass_is_warned_and_recorded_and_what_it_changed_comes_back(
    stage: Stage, change: dict[str, Any]
) -> None:
    """It may do what nobody may; the controller puts the baseline right all the same."""
    before = stage.look((DENY,))[DENY]
    answer = stage.send("break-glass", merge(DENY, change))
    assert answer.status == 200
    assert any("break-glass" in warning for warning in answer.warnings), answer.warnings
    stage.plane.until(lambda: _as_before(stage, DENY, before) or None, "default-deny as it was", 10.0)
    recorded = [e for e in stage.plane.audit_events() if e["user"]["username"] == "gloria" and e["verb"] == "patch"]
    assert recorded[-1]["annotations"]["policies.isolation-baseline.io/break-glass"] == "baseline-unchanged"


def test_break_glass_deletes_and_the_controller_writes_it_again(stage: Stage) -> None:
    """With the same spec, as another object."""
    before = stage.stored(DENY)
    assert stage.send("break-glass", delete(DENY)).status == 200
    stage.plane.until(lambda: stage.plane.request("GET", DENY)[0] == 200 or None, "default-deny again", 10.0)
    after = stage.stored(DENY)
    assert after["spec"] == before["spec"]
    assert after["metadata"]["uid"] != before["metadata"]["uid"]


def test_the_garbage_collector_gets_nothing_and_the_owner_goes(stage: Stage) -> None:
    """Of an owner that is not there, given by break-glass: the deletion is refused, the reference taken off."""
    uid = stage.stored(DENY)["metadata"]["uid"]
    assert stage.send("break-glass", merge(DENY, metadata(ownerReferences=[GONE_OWNER]))).status == 200

    def is_disowned() -> bool | None:
        found = stage.stored(DENY)["metadata"]
        assert found["uid"] == uid
        return "ownerReferences" not in found or None

    stage.plane.until(is_disowned, "default-deny without owner", 10.0)


def test_what_break_glass_opened_is_no_excuse_to_open_more(stage: Stage) -> None:
    """A stored violation may be edited, but not widened, and what replaces it is judged as new."""
    one_port = {"action": "Allow", "protocol": "TCP", "destination": {"ports": [8080]}}
    path = f"{HERE}/attack"
    assert stage.send("break-glass", post(HERE, local(ingress=[one_port]))).status == 201
    try:
        assert stage.send("tenant", merge(path, {"metadata": {"labels": {"team": "a"}}})).status == 200
        for wider in (
            EVERYTHING,
            [{**one_port, "destination": {"ports": [8080, 22]}}],
            [{**one_port, "destination": {"ports": ["8080:8081"]}}],
            [{**one_port, "protocol": "UDP"}],
            [one_port, *EVERYTHING],
        ):
            answer = stage.send("tenant", merge(path, spec(ingress=wider)))
            assert (answer.status, "[allows-stay-under-ceiling]" in answer.body["message"]) == (403, True), wider
        assert stage.stored(path)["spec"]["ingress"] == [one_port]
    finally:
        stage.send("break-glass", delete(path))


def test_a_namespace_that_dies_slowly_is_guarded_to_its_end(stage: Stage, held: str) -> None:
    """Neither its label nor its policies are edited, and nobody takes its finalizers."""
    at, here = f"{NAMESPACES}/{held}", f"{CALICO}/namespaces/{held}/networkpolicies"
    for send in (merge(at, env("prod")), merge(f"{at}/status", env("test")), put(f"{at}/finalize", EMPTIED)):
        assert stage.send("tenant", send).status == 403
    # Its policies go while it waits; what is still there may not be edited.
    answer = stage.send("tenant", merge(f"{here}/default-deny", spec(order=9000000)))
    assert answer.status in (403, 404), answer.body
    assert stage.send("tenant", post(here, local(ingress=EVERYTHING))).status == 403
    assert stage.stored(at)["spec"]["finalizers"] == ["kubernetes"]
    assert stage.stored(at)["metadata"]["labels"]["env"] == "dev"


def test_what_a_former_namespace_left_is_judged_as_new(guarded: Guarded, stage: Stage) -> None:
    """Break-glass can make a namespace leave its policies behind; the next of its name may not inherit a hole."""
    name, here = "left-behind", f"{CALICO}/namespaces/left-behind/networkpolicies"
    at = f"{NAMESPACES}/{name}"
    guarded.namespace(name, labels={"env": "dev"})
    assert stage.send("tenant", post(here, local(**FROM_TEST))).status == 201
    assert stage.send("break-glass", put(f"{at}/finalize", EMPTIED)).status == 200
    for _ in range(2):
        stage.send("tenant", delete(at))
    assert stage.plane.request("GET", at)[0] == 404
    assert stage.plane.request("GET", f"{here}/attack")[0] == 200
    for who, claimed in (("engineer", "prod"), ("tenant", "unassigned")):
        answer = stage.send(who, post(NAMESPACES, born(name, env=claimed)))
        assert (answer.status, "left it behind" in answer.body["message"]) == (403, True), answer.body
    # As what it was, it comes again, with a baseline of its own.
    assert stage.send("tenant", post(NAMESPACES, born(name, env="dev"))).status == 201
    guarded.settled(name)
    guarded.gone(name)


def test_whoever_is_faster_than_the_controller_gains_nothing(guarded: Guarded, stage: Stage) -> None:
    """The names of the baseline are reserved before the baseline is there."""
    for number in range(5):
        name = f"dev-raced-{number}"
        here = f"{CALICO}/namespaces/{name}/networkpolicies"
        assert stage.send("tenant", post(NAMESPACES, born(name))).status == 201
        for taken in ("default-deny", "dns-allow", f"{name}-ns-allow"):
            body = {**local(ingress=EVERYTHING), "metadata": {"name": taken}}
            assert stage.send("tenant", post(here, body)).status in (403, 409)
        guarded.settled(name)
        orders = {found: policy["spec"]["order"] for found, policy in guarded.policies(name).items()}
        assert orders == {"default-deny": 5000, "dns-allow": 4000, f"{name}-ns-allow": 500}
        guarded.control_plane.request("DELETE", f"{NAMESPACES}/{name}")


@pytest.mark.parametrize("is_set_first", [True, False], ids=["the set first", "the policy first"])
def test_a_set_and_the_policy_that_reaches_it_are_refused_together(stage: Stage, is_set_first: bool) -> None:
    """
    Each alone is fine; whichever comes second is refused once the webhook's watch has brought it the first.

    Within that watch's lag, some milliseconds, both can be stored: each is judged without the other. The audit tells.
    """
    sets = f"{CALICO}/namespaces/{DEV}/networksets"
    # Not the other case's: what that deleted may still be in the webhook's view.
    role = "first" if is_set_first else "second"
    a_set = {
        "apiVersion": "crd.projectcalico.org/v1",
        "kind": "NetworkSet",
        "metadata": {"name": "slip", "labels": {"slip": role}},
        "spec": {"nets": ["203.0.113.0/24"]},
    }
    reaching = local(ingress=[{"action": "Allow", "source": {"selector": f"slip == '{role}'"}}])
    writes = [(sets, a_set), (HERE, reaching)]
    (first, first_body), (second, second_body) = writes if is_set_first else reversed(writes)
    try:
        assert stage.send("tenant", post(first, first_body)).status == 201
        tried = post(f"{second}?dryRun=All", second_body)
        stage.plane.until(lambda: stage.send("tenant", tried).status == 403 or None, "the second refused", 2.0)
        assert "[allows-stay-under-ceiling]" in stage.send("tenant", post(second, second_body)).body["message"]
    finally:
        stage.send("break-glass", delete(f"{HERE}/attack"))
        stage.send("break-glass", delete(f"{sets}/slip"))
