"""The labels that selectors see: what endpoints inherit, and what they cannot say of themselves."""

from __future__ import annotations

from typing import Any

from tests.dice import calico, namespace, pod
from tests.worlds import build
from webhook.policy.endpoints import labels_of, labels_of_set

FORGED = {"projectcalico.org/orchestrator": "k8s", "pcns.env": "dev"}


def labels(thing: Any, *manifests: Any) -> dict[str, str]:
    world = build([thing, *manifests])
    for pod_of in world.pods.values():
        return dict(labels_of(pod_of, world))
    return dict(labels_of_set(next(iter(world.network_sets.values())), world))


ONE = namespace("one", env="dev", **{"projectcalico.org/name": "x"})
ACCOUNT = {
    "apiVersion": "v1",
    "kind": "ServiceAccount",
    "metadata": {"name": "robot", "namespace": "one", "labels": {"a": "b"}},
}
INHERITED = {"pcns.env": "dev", "pcns.kubernetes.io/metadata.name": "one", "pcns.projectcalico.org/name": "one"}
CALICO = {"projectcalico.org/namespace": "one", "projectcalico.org/orchestrator": "k8s"}


def test_labels_of_a_pod() -> None:
    """A namespace cannot call itself otherwise by label, nor can a pod."""
    own = {
        "app": "x",
        "pcns.env": "prod",
        "pcsa.a": "z",
        "projectcalico.org/namespace": "two",
        "projectcalico.org/orchestrator": "vm",
    }
    found = labels(pod("one", "p", labels=own, serviceAccountName="robot"), ONE, ACCOUNT)
    assert found == {
        "app": "x",
        **CALICO,
        **INHERITED,
        "projectcalico.org/serviceaccount": "robot",
        "pcsa.a": "b",
        "pcsa.projectcalico.org/name": "robot",
    }


def test_labels_of_a_pod_whose_account_has_a_long_name() -> None:
    found = [labels(pod("one", "p", serviceAccountName="a" * length)) for length in (62, 63)]
    assert found == [{**CALICO, "projectcalico.org/serviceaccount": "a" * 62}, CALICO]


def test_labels_of_a_network_set() -> None:
    """What it carries itself wins over what it inherits, but for its namespace."""
    found = labels(
        calico(
            "NetworkSet",
            "s",
            "one",
            labels={"pcns.env": "prod", "projectcalico.org/namespace": "two", "a": "b"},
            nets=[],
        ),
        ONE,
    )
    assert found == {**INHERITED, "pcns.env": "prod", "projectcalico.org/namespace": "one", "a": "b"}
    assert labels(calico("GlobalNetworkSet", "s", labels=FORGED), ONE) == FORGED
