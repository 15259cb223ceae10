"""Calico's order of evaluation: one row for each of its sentences that a verdict can show."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dice import KUBERNETES, V1, calico
from tests.policy.stage import (
    ANY,
    DENY,
    DEV,
    DNS_ALLOW,
    EXPLICIT,
    NS_ALLOW,
    RULELESS,
    TEST,
    TEST_ALLOW,
    ask,
    policy,
    wide,
)

PROFILE = "no policy, the namespace's profile allows"


def tier(name: str, **spec: Any) -> Any:
    return calico("Tier", name, **spec)


BASE = [EXPLICIT, DNS_ALLOW, NS_ALLOW]
IN: dict[str, Any] = {"types": ["Ingress"]}


def staged(name: str, order: float, **spec: Any) -> Any:
    return {**policy(name, order, **spec), "kind": "StagedNetworkPolicy"}


def kubernetes(name: str, **spec: Any) -> Any:
    spec = {"podSelector": {}, **spec}
    return {
        "apiVersion": KUBERNETES,
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": "development"},
        "spec": spec,
    }


def cluster(name: str, where: str, priority: int, action: str) -> Any:
    rules = [{"action": action, "from": [{"namespaces": {}}]}]
    spec = {"tier": where, "priority": priority, "subject": {"namespaces": {}}, "ingress": rules}
    return {
        "apiVersion": "policy.networking.k8s.io/v1alpha2",
        "kind": "ClusterNetworkPolicy",
        "metadata": {"name": name},
        "spec": spec,
    }


# Each row asks whether test/tool reaches development/whoami on TCP 80; the policies stand in development.
ORDER = [
    # tiers
    (
        "an earlier tier's allow is final",
        [*BASE, tier("early", order=10), policy("p", None, tier="early", ingress=ANY, **IN)],
        True,
        "p (order inf)",
    ),
    (
        "a later tier is not reached",
        [*BASE, tier("late", order=2e6), policy("p", 1, tier="late", ingress=ANY, **IN)],
        False,
        "default-deny (order 5000)",
    ),
    (
        "a tier without order ties with default, by name: before",
        [*BASE, tier("abc"), policy("p", 1, tier="abc", ingress=ANY, **IN)],
        True,
        "p (order 1)",
    ),
    (
        "a tier without order ties with default, by name: after",
        [*BASE, tier("zzz"), policy("p", 1, tier="zzz", ingress=ANY, **IN)],
        False,
        "default-deny (order 5000)",
    ),
    (
        "a tier that does not exist comes last",
        [*BASE, policy("p", 1, tier="ghost", ingress=ANY, **IN)],
        False,
        "default-deny (order 5000)",
    ),
    (
        "a tier that does not exist still drops at its end",
        [policy("p", 1, tier="ghost", **IN)],
        False,
        "p (order 1), end of tier ghost",
    ),
    (
        "a tier that does not exist allows what its rules allow",
        [policy("p", 1, tier="ghost", ingress=ANY, **IN)],
        True,
        "p (order 1)",
    ),
    (
        "defaultAction Pass goes on",
        [*BASE, tier("early", order=10, defaultAction="Pass"), policy("p", 1, tier="early", **IN)],
        False,
        "default-deny (order 5000)",
    ),
    (
        "defaultAction in another spelling drops",
        [tier("early", order=10, defaultAction="pass"), policy("p", 1, tier="early", **IN)],
        False,
        "p (order 1), end of tier early",
    ),
    (
        "kube-admin is built in, before default",
        [*BASE, policy("p", 1, tier="kube-admin", ingress=ANY, **IN)],
        True,
        "p (order 1)",
    ),
    (
        "kube-baseline is built in, behind default",
        [*BASE, policy("p", 1, tier="kube-baseline", ingress=ANY, **IN)],
        False,
        "default-deny (order 5000)",
    ),
    # order inside a tier
    ("a lower order is first", [*BASE, policy("p", 4999.5, ingress=ANY, **IN)], True, "p (order 4999.5)"),
    ("a negative order is legal", [*BASE, policy("p", -1, ingress=ANY, **IN)], True, "p (order -1)"),
    (
        "a higher order is behind an explicit deny",
        [*BASE, policy("p", 5001, ingress=ANY, **IN)],
        False,
        "default-deny (order 5000)",
    ),
    ("no order is last", [*BASE, policy("p", None, ingress=ANY, **IN)], False, "default-deny (order 5000)"),
    (
        "no order still runs after a deny without rules",
        [RULELESS, policy("p", None, ingress=ANY, **IN)],
        True,
        "p (order inf)",
    ),
    ("an equal order by name: aaa is first", [*BASE, policy("aaa", 5000, ingress=ANY, **IN)], True, "aaa (order 5000)"),
    (
        "an equal order by name: zzz is not",
        [*BASE, policy("zzz", 5000, ingress=ANY, **IN)],
        False,
        "default-deny (order 5000)",
    ),
    (
        "by bytes: a hyphen is before the slash that ends a name",
        [*BASE, policy("default", 5000, ingress=ANY, **IN)],
        False,
        "default-deny (order 5000)",
    ),
    (
        "by bytes: a dot is between",
        [policy("default", 5000, ingress=DENY, **IN), policy("default.a", 5000, ingress=ANY, **IN)],
        True,
        "default.a (order 5000)",
    ),
    (
        "a global policy of the same name has an empty namespace",
        [*BASE, wide("default-deny", 5000, ingress=ANY, **IN)],
        True,
        "default-deny (order 5000)",
    ),
    (
        "of one name and namespace, the kind decides",
        [policy("p", 1000, ingress=DENY, **IN), kubernetes("p", ingress=[{}])],
        True,
        "p (order 1000)",
    ),
    ("global and namespaced share one order", [*BASE, wide("p", 400, ingress=DENY, **IN)], False, "p (order 400)"),
    # the walk
    ("without a policy the profile allows", [], True, PROFILE),
    ("a policy of the other direction does not govern", [policy("p", 1, types=["Egress"])], True, PROFILE),
    ("a policy without rules makes its tier drop", [RULELESS], False, "default-deny (order 5000), end of tier default"),
    (
        "the end of a tier names the last policy",
        [RULELESS, policy("q", 6000, **IN)],
        False,
        "q (order 6000), end of tier default",
    ),
    (
        "a tier that selects nobody is skipped",
        [tier("early", order=10), policy("p", 1, "test", tier="early", **IN)],
        True,
        PROFILE,
    ),
    (
        "a Log alone makes its tier drop",
        [tier("early", order=10), policy("p", 1, tier="early", ingress=[{"action": "Log"}], **IN)],
        False,
        "p (order 1), end of tier early",
    ),
    # actions
    ("the first match wins", [*BASE, policy("p", 1, ingress=[*DENY, *ANY], **IN)], False, "p (order 1)"),
    ("Log goes on", [*BASE, policy("p", 1, ingress=[{"action": "Log"}, *ANY], **IN)], True, "p (order 1)"),
    (
        "Pass in default before the deny: the profile allows",
        [*BASE, policy("p", 4999, ingress=[{"action": "Pass"}], **IN)],
        True,
        PROFILE,
    ),
    (
        "Pass in default to kube-baseline, which denies",
        [
            *BASE,
            policy("p", 1, ingress=[{"action": "Pass"}], **IN),
            policy("q", 1, tier="kube-baseline", ingress=DENY, **IN),
        ],
        False,
        "q (order 1)",
    ),
    (
        "Pass in an earlier tier is neutral",
        [*BASE, tier("early", order=10), policy("p", 1, tier="early", ingress=[{"action": "Pass"}], **IN)],
        False,
        "default-deny (order 5000)",
    ),
    # types
    (
        "raw v1 without types governs both directions",
        [{**calico("NetworkPolicy", "p", "development", version=V1, order=1)}],
        False,
        "p (order 1), end of tier default",
    ),
    (
        "rules of a direction not in types are inert",
        [*BASE, policy("p", 1, types=["Egress"], ingress=ANY)],
        False,
        "default-deny (order 5000)",
    ),
    # Kubernetes and cluster policies
    ("a Kubernetes policy stands at 1000", [*BASE, kubernetes("p", ingress=[{}])], True, "p (order 1000)"),
    (
        "a Kubernetes policy that does not match falls through",
        [*BASE, kubernetes("p", ingress=[{"from": [{"podSelector": {}}]}])],
        False,
        "default-deny (order 5000)",
    ),
    ("an admin policy's Accept is before everything", [*BASE, cluster("c", "Admin", 1, "Accept")], True, "c (order 1)"),
    ("an admin policy's Deny too", [NS_ALLOW, TEST_ALLOW, cluster("c", "Admin", 1, "Deny")], False, "c (order 1)"),
    (
        "an admin policy's Pass is neutral",
        [*BASE, cluster("c", "Admin", 1, "Pass")],
        False,
        "default-deny (order 5000)",
    ),
    (
        "a baseline policy is behind the deny",
        [*BASE, cluster("c", "Baseline", 1, "Accept")],
        False,
        "default-deny (order 5000)",
    ),
    ("a baseline policy counts where nothing else does", [cluster("c", "Baseline", 1, "Deny")], False, "c (order 1)"),
    # staged and host policies
    ("a staged allow opens nothing", [*BASE, staged("p", 1, ingress=ANY)], False, "default-deny (order 5000)"),
    ("a staged deny closes nothing", [staged("p", 1, ingress=DENY)], True, PROFILE),
    (
        "a tier of staged policies alone does not drop",
        [tier("early", order=10), staged("p", 1, tier="early")],
        True,
        PROFILE,
    ),
    (
        "doNotTrack never reaches a pod",
        [wide("p", 1, ingress=DENY, doNotTrack=True, applyOnForward=True)],
        True,
        PROFILE,
    ),
    (
        "preDNAT neither",
        [*BASE, wide("p", 1, ingress=ANY, preDNAT=True, applyOnForward=True, **IN)],
        False,
        "default-deny (order 5000)",
    ),
    ("applyOnForward is a policy like others", [wide("p", 1, ingress=DENY, applyOnForward=True)], False, "p (order 1)"),
    # policies that are missing
    (
        "one bad rule removes the policy and its denies",
        [policy("default-deny", 5000, ingress=[*DENY, {"action": "Deny", "protocol": "foo"}])],
        True,
        PROFILE,
    ),
    (
        "the rest of the baseline keeps the end of the tier",
        [DNS_ALLOW, NS_ALLOW],
        False,
        "development-ns-allow (order 500), end of tier default",
    ),
]


@pytest.mark.parametrize(("manifests", "allowed", "decided_by"), [c[1:] for c in ORDER], ids=[c[0] for c in ORDER])
def test_order_of_evaluation(manifests: Any, allowed: bool, decided_by: str) -> None:
    found = ask(manifests, TEST, DEV)
    assert (found.allowed, found.hooks[-1].decided_by) == (allowed, decided_by)
