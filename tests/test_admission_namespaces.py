"""Requests about namespaces and pods judged: every path to a label, a finalizer and an address, and by whom."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.policy.reviews import review
from tests.policy.table import SETTINGS, Manifest, ns, policy, terminating, world
from webhook.admission import judge_mutate_namespace, judge_namespace, judge_pod
from webhook.policy.settings import Settings, Unmatched
from webhook.wire import Answer, PatchOperation

SHOP = ns()
WORLD = world(SHOP, ns("kube-system", None), ns("shop-prod", "prod"))


def rules(answer: Answer) -> list[str]:
    """What a request was refused for; nothing when it was allowed."""
    assert answer.allowed or answer.code == 403, answer
    return [cause.reason for cause in answer.causes]


# What the mutating webhook does: (title, old, new, settings, patch, warnings)
LABEL = PatchOperation("add", "/metadata/labels/env", "dev")
NO_LABELS = PatchOperation("add", "/metadata/labels", {})
BARE: Manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "development"}}
GENERATED: Manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "dev-"}}
MUTATIONS: list[tuple[str, Manifest | None, Manifest, Settings, list[PatchOperation]]] = [
    ("by name", None, ns("development", None), SETTINGS, [LABEL]),
    ("without any labels", None, BARE, SETTINGS, [NO_LABELS, LABEL]),
    ("by generateName", None, GENERATED, SETTINGS, [NO_LABELS, LABEL]),
    ("that fits nothing", None, ns("shop", None), SETTINGS, [replace(LABEL, value="unassigned")]),
    ("that settings refuse", None, ns("shop", None), replace(SETTINGS, unmatched=Unmatched.DENY), []),
    ("that claims one", None, ns("shop", "dev"), SETTINGS, []),
    ("exempt", None, ns("kube-system", None), SETTINGS, []),
    ("older than the baseline", ns("development", None), ns("development", None, labels={"a": "b"}), SETTINGS, [LABEL]),
    ("from which the label is taken", ns("development", "dev"), ns("development", None), SETTINGS, []),
    ("being deleted", terminating(ns("development", None)), terminating(ns("development", None)), SETTINGS, []),
]


@pytest.mark.parametrize(("title", "old", "new", "settings", "patch"), MUTATIONS, ids=[row[0] for row in MUTATIONS])
def test_mutate_namespace(
    title: str, old: Manifest | None, new: Manifest, settings: Settings, patch: list[PatchOperation]
) -> None:
    answer = judge_mutate_namespace(review(old, new), replace(WORLD, settings=settings))
    assert (answer.allowed, list(answer.patch)) == (True, patch)


def test_mutation_says_what_it_could_not_match() -> None:
    answer = judge_mutate_namespace(review(None, ns("shop", None)), WORLD)
    assert answer.warnings == (
        "namespace shop is isolated from everything: the name shop fits no environment;"
        " create it with label env=… (dev, test, prod) to change that",
    )
    touched = judge_mutate_namespace(review(ns("shop", None), ns("shop", None)), WORLD)
    assert touched.warnings == ()


def test_mutation_leaves_subresources_and_deletions_alone() -> None:
    bare = ns("development", None)
    assert judge_mutate_namespace(review(bare, bare, subresource="status"), WORLD).patch == ()
    assert judge_mutate_namespace(review(bare, None), WORLD).patch == ()


# What the validating webhook says to namespaces: (title, request, rules)
DEV, TEST = ns("development", "dev"), ns("development", "test")
FINALIZED = {**SHOP, "spec": {"finalizers": []}}
NAMESPACES: list[tuple[str, Any, list[str]]] = [
    ("a namespace with its label", review(None, DEV), []),
    ("by generateName, named by now", review(None, ns("dev-x7k2p", "dev"), name="dev-x7k2p"), []),
    ("whose mutation did not happen", review(None, ns("development", None)), ["environment-known"]),
    ("an undeclared environment", review(None, ns("shop", "qa")), ["environment-known"]),
    ("somebody else's environment", review(None, ns("x", "prod")), ["environment-claim-permitted"]),
    ("one's own", review(None, ns("x", "prod"), groups=["platform-admins"]), []),
    ("another environment", review(DEV, TEST), ["environment-unchanged"]),
    ("another environment by the status", review(DEV, TEST, subresource="status"), ["environment-unchanged"]),
    ("another environment by finalize", review(DEV, TEST, subresource="finalize"), ["environment-unchanged"]),
    (
        "another environment, as an administrator",
        review(DEV, TEST, groups=["system:masters"]),
        ["environment-unchanged"],
    ),
    (
        "another environment, as its claimant",
        review(DEV, ns("development", "prod"), groups=["platform-admins"]),
        ["environment-unchanged"],
    ),
    ("no environment", review(DEV, ns("development", None)), ["environment-known", "environment-unchanged"]),
    (
        "a label that exempts, and another environment",
        review(DEV, ns("development", "prod", labels={"control-plane": "true"})),
        ["environment-unchanged", "exempting-labels-reserved"],
    ),
    (
        "a label that exempts, by the status",
        review(DEV, ns("development", "dev", labels={"control-plane": "true"}), subresource="status"),
        ["exempting-labels-reserved"],
    ),
    (
        "a label that exempts, at birth",
        review(None, ns("development", "dev", labels={"control-plane": "true"})),
        ["exempting-labels-reserved"],
    ),
    (
        "a label that exempts, from before",
        review(
            ns("x", "dev", labels={"control-plane": "true"}), ns("x", "dev", labels={"control-plane": "true", "a": "b"})
        ),
        [],
    ),
    (
        "a label that exempts, from before, with another value",
        review(ns("x", "dev", labels={"control-plane": "no"}), ns("x", "dev", labels={"control-plane": "true"})),
        ["exempting-labels-reserved"],
    ),
    ("finalizers emptied", review(SHOP, FINALIZED, subresource="finalize"), ["namespace-finalizers-kept"]),
    (
        "finalizers emptied as if it were being deleted",
        review(SHOP, terminating(FINALIZED), subresource="finalize"),
        ["namespace-finalizers-kept"],
    ),
    ("finalizers emptied in the end", review(terminating(SHOP), terminating(FINALIZED), subresource="finalize"), []),
    ("touched by nobody's intent", review(DEV, DEV), []),
    ("a deletion", review(DEV, None), []),
    ("a deletion of what is exempt is not ours", review(ns("kube-system", None), None), []),
    ("moved while it is being deleted", review(terminating(DEV), terminating(TEST)), ["environment-unchanged"]),
    ("an old one gets what its name gives it, by anybody", review(ns("shop-prod", None), ns("shop-prod", "prod")), []),
    (
        "an old one claims what its name does not give it",
        review(ns("shop", None), ns("shop", "prod")),
        ["environment-claim-permitted"],
    ),
]


@pytest.mark.parametrize(("title", "request_", "expected"), NAMESPACES, ids=[row[0] for row in NAMESPACES])
def test_namespace(title: str, request_: Any, expected: list[str]) -> None:
    assert rules(judge_namespace(request_, WORLD)) == expected


def test_what_a_former_namespace_left_is_judged_anew() -> None:
    """Its finalizers were emptied, it was deleted, and its policies are in force again in the next of that name."""
    left = policy(order=5000)
    assert rules(judge_namespace(review(None, SHOP), world(left))) == ["order-in-tenant-band"]
    assert (
        judge_namespace(review(None, SHOP), world(left))
        .causes[0]
        .message.startswith("[order-in-tenant-band] NetworkPolicy shop/web has order 5000")
    )
    assert judge_namespace(review(None, SHOP), world(policy())).allowed
    assert judge_namespace(review(None, SHOP), world(policy("default-deny"))).allowed  # the controller repairs that


def test_a_namespace_that_cannot_be_read() -> None:
    broken = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "labels": {"env": 1}}}
    for judge in (judge_namespace, judge_mutate_namespace):
        answer = judge(review(None, broken), WORLD)
        assert (answer.code, answer.causes[0].field) == (422, "metadata.labels.env")


def pod(annotations: dict[str, str], *, kind: str = "Pod", namespace: str = "shop") -> Manifest:
    metadata = {"name": "a", "namespace": namespace, "annotations": annotations}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata}


CLAIM = {"cni.projectcalico.org/podIP": "10.240.0.9"}
KUBELET = {"user": "system:node:n1", "groups": ["system:nodes"]}
PODS: list[tuple[str, Any, list[str]]] = [
    ("a pod", review(None, pod({"a": "b"})), []),
    ("an address", review(None, pod(CLAIM)), ["pod-address-not-claimed"]),
    ("an address by the status", review(pod({}), pod(CLAIM), subresource="status"), ["pod-address-not-claimed"]),
    (
        "an address by a binding",
        review(None, pod(CLAIM, kind="Binding"), subresource="binding"),
        ["pod-address-not-claimed"],
    ),
    ("an address by a kubelet", review(pod({}), pod(CLAIM), **KUBELET), []),  # type: ignore[arg-type]  # user and groups
    ("an address that was there", review(pod(CLAIM), pod(CLAIM)), []),
    ("in an exempt namespace", review(None, pod(CLAIM, namespace="kube-system")), []),
]


@pytest.mark.parametrize(("title", "request_", "expected"), PODS, ids=[row[0] for row in PODS])
def test_pod(title: str, request_: Any, expected: list[str]) -> None:
    assert rules(judge_pod(request_, WORLD)) == expected


def test_a_pod_in_a_namespace_not_known_here() -> None:
    assert judge_pod(review(None, pod(CLAIM, namespace="new")), WORLD).code == 500
