"""Verdicts: the article's outcome, the trace, and the hooks that exist."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dice import calico, pod
from tests.policy.stage import (
    ANY,
    CLIENT,
    CLUSTER,
    DEFAULT,
    DEV,
    DNS,
    DNS_ALLOW,
    EXPLICIT,
    INTERNET,
    NS_ALLOW,
    RULELESS,
    TEST,
    TEST_ALLOW,
    ask,
    policy,
    wide,
)
from tests.worlds import build
from webhook.policy.endpoints import PodRef
from webhook.policy.flows import Decision, Flow, Step
from webhook.policy.objects import Action, Direction, Ref
from webhook.policy.parse import parse_policy
from webhook.policy.traffic import applicable, evaluator, verdict

STAGES = [
    # what the article applies, one after another, and who then reaches whoami from development, test and default
    ("nothing", [], [True, True, True]),
    ("deny all", [RULELESS], [False, False, False]),
    ("dns", [RULELESS, DNS_ALLOW], [False, False, False]),
    ("same environment", [RULELESS, DNS_ALLOW, NS_ALLOW], [True, False, False]),
    ("allow from test", [RULELESS, DNS_ALLOW, NS_ALLOW, TEST_ALLOW], [True, True, False]),
]


@pytest.mark.parametrize(("manifests", "reached"), [c[1:] for c in STAGES], ids=[c[0] for c in STAGES])
def test_the_article(manifests: Any, reached: list[bool]) -> None:
    assert [ask(manifests, source, DEV).allowed for source in (CLIENT, TEST, DEFAULT)] == reached


def test_the_article_resolves_names_from_its_second_step_on() -> None:
    found = [ask(manifests, CLIENT, DNS, 17, 53).allowed for _, manifests, _ in STAGES]
    assert found == [True, False, True, True, True]


def test_opening_one_side_is_not_enough_once_test_is_isolated() -> None:
    deny = policy("default-deny", 5000, "test")
    out = policy(
        "out",
        600,
        "test",
        types=["Egress"],
        egress=[{"action": "Allow", "destination": {"namespaceSelector": "env == 'dev'"}}],
    )
    dev = [RULELESS, DNS_ALLOW, NS_ALLOW, TEST_ALLOW]
    closed, opened = ask([*dev, deny], TEST, DEV), ask([*dev, deny, out], TEST, DEV)
    assert (closed.allowed, closed.decided_by) == (False, "default-deny (order 5000), end of tier default")
    assert (opened.allowed, [hook.decided_by for hook in opened.hooks]) == (
        True,
        ["out (order 600)", "test-ns-allow (order 600)"],
    )


def tier(name: str, **spec: Any) -> Any:
    return calico("Tier", name, **spec)


def staged(name: str, order: float) -> Any:
    return {**policy(name, order, ingress=ANY), "kind": "StagedNetworkPolicy"}


BASE = [EXPLICIT, DNS_ALLOW, NS_ALLOW]
IN: dict[str, Any] = {"types": ["Ingress"]}


def test_the_trace_names_every_step() -> None:
    early = policy("log", 1, tier="early", ingress=[{"action": "Log"}, {"action": "Pass", "protocol": "TCP"}], **IN)
    found = ask([tier("early", order=10), early, EXPLICIT, TEST_ALLOW], TEST, DEV)

    def ref(name: str) -> Ref:
        return Ref("projectcalico.org", "NetworkPolicy", "development", name)

    egress, ingress = found.hooks
    assert (egress.direction, egress.pod, egress.steps) == (
        Direction.EGRESS,
        PodRef("test", "tool"),
        (Step(Decision.PROFILE, Action.ALLOW),),
    )
    assert (ingress.direction, ingress.pod) == (Direction.INGRESS, PodRef("development", "whoami"))
    assert ingress.steps == (
        Step(Decision.RULE, Action.LOG, "early", ref("log"), 1.0, "spec.ingress[0]"),
        Step(Decision.RULE, Action.PASS, "early", ref("log"), 1.0, "spec.ingress[1]"),
        Step(Decision.RULE, Action.ALLOW, "default", ref("test-ns-allow"), 600.0, "spec.ingress[0]"),
    )
    assert found.decided_by == "test-ns-allow (order 600)"


HOOKS = [
    ("two pods", TEST, DEV, ["Egress", "Ingress"]),
    ("a pod and the outside", DEV, INTERNET, ["Egress"]),
    ("the outside and a pod", INTERNET, DEV, ["Ingress"]),
    ("a pod's address is the pod", "10.0.1.1", "10.0.0.1", ["Egress", "Ingress"]),
    ("a pod on the host's network has none", "kube-system/host", DEV, ["Ingress"]),
    ("its address is not a pod", "192.0.2.1", INTERNET, []),
]


@pytest.mark.parametrize(("source", "destination", "hooks"), [c[1:] for c in HOOKS], ids=[c[0] for c in HOOKS])
def test_hooks_that_exist(source: str, destination: str, hooks: list[str]) -> None:
    found = ask([], source, destination)
    assert ([hook.direction.value for hook in found.hooks], found.allowed) == (hooks, True)


def test_no_hook_says_so() -> None:
    assert ask([], INTERNET, "192.0.2.1").decided_by == "no policy applies to either end"


def test_a_namespace_without_profile_drops() -> None:
    found = ask([pod("gone", "p", "10.0.9.9")], "gone/p", INTERNET)
    assert (found.allowed, found.decided_by) == (False, "no profile")


def test_a_pod_that_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError):
        ask([], "development/nobody", DEV)


def test_policies_that_a_pod_meets() -> None:
    world = build(
        [
            *CLUSTER,
            *BASE,
            tier("early", order=10),
            policy("first", 9, tier="early"),
            staged("maybe", 600),
            wide("late", None, **IN),
        ]
    )
    pod_of = world.pods["development", "whoami"]
    assert [p.name for p in applicable(pod_of, Direction.INGRESS, world)] == [
        "first",
        "development-ns-allow",
        "maybe",
        "default-deny",
        "late",
    ]
    assert [p.name for p in applicable(pod_of, Direction.EGRESS, world)] == [
        "first",
        "development-ns-allow",
        "maybe",
        "dns-allow",
        "default-deny",
    ]
    stacks = evaluator(world).stack(PodRef("development", "whoami"), Direction.EGRESS)
    assert [(s.tier.name, [p.name for p in s.in_force]) for s in stacks] == [
        ("early", ["first"]),
        ("default", ["development-ns-allow", "dns-allow", "default-deny"]),
    ]


def test_an_evaluator_is_kept_for_its_world_and_for_no_other() -> None:
    world = build([*CLUSTER])
    flow = Flow(PodRef("test", "tool"), PodRef("development", "whoami"), 6, 80)
    assert evaluator(world) is evaluator(world)
    assert verdict(flow, world).allowed
    assert not verdict(flow, world.with_policies(parse_policy(EXPLICIT))).allowed
    assert verdict(flow, world).allowed
