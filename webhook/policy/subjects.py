"""Subjects: what several rules ask of a policy, set or namespace before they look closer; no rule is here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from webhook.policy.baseline import is_reserved
from webhook.policy.change import Change
from webhook.policy.finding import Complaint
from webhook.policy.objects import Action, DefectKind, HostEndpoint, Namespace, NetworkSet, Policy, PolicyKind, Tier
from webhook.policy.satisfy import Unknown, Unsatisfiable, Witness, satisfiable
from webhook.policy.selectors import And, Equal, Has, NotIn, Selector
from webhook.policy.world import World

# The kinds whose author says an order and a tier. A Kubernetes NetworkPolicy has neither; a cluster-wide one of
# Kubernetes has a priority, and a tier by its kind: allows-stay-under-ceiling judges what they do.
ORDERED = frozenset(
    {
        PolicyKind.NETWORK_POLICY,
        PolicyKind.GLOBAL_NETWORK_POLICY,
        PolicyKind.STAGED_NETWORK_POLICY,
        PolicyKind.STAGED_GLOBAL_NETWORK_POLICY,
    }
)
# Of one pod they always agree: Calico sets the first and last, the API server the second.
_NAMES = ("projectcalico.org/namespace", "pcns.kubernetes.io/metadata.name", "pcns.projectcalico.org/name")


def concerns_managed_pods(policy: Policy, world: World) -> bool:
    """
    Say whether a policy can select a pod of a managed namespace, now or later.

    When that takes too long to find out, it can.
    """
    if policy.host_only:
        return False
    if policy.namespace:
        return world.is_managed(policy.namespace)
    exempt = world.settings.exempt_namespaces
    pods: tuple[Selector, ...] = (
        Has(_NAMES[0]),
        Equal("projectcalico.org/orchestrator", "k8s"),
        *(NotIn(key, exempt) for key in _NAMES),
    )
    found = satisfiable(And((policy.subject, *pods)))
    match found:
        case Unsatisfiable():
            return False
        case Witness() | Unknown():
            return True
        case _:
            assert_never(found)


def is_tenants(policy: Policy, world: World) -> bool:
    """Say whether the order and the tier of a policy are its author's, and matter to managed pods."""
    # What has a baseline name is compared with the baseline as a whole (baseline-unchanged, baseline-names-reserved).
    return policy.kind in ORDERED and not is_baseline(policy, world) and concerns_managed_pods(policy, world)


def is_baseline(policy: Policy, world: World) -> bool:
    """Say whether a policy stands where a baseline object stands."""
    return is_reserved(policy.ref, world.api) and (not policy.namespace or world.is_managed(policy.namespace))


def namespaces_of(change: Change) -> tuple[Namespace | None, Namespace | None]:
    """Return what a namespace was and becomes; twice None when the change is of something else, or deletes."""
    old = change.old if isinstance(change.old, Namespace) else None
    return old, change.new if isinstance(change.new, Namespace) else None


def misread(subject: Policy | NetworkSet | HostEndpoint, kind: DefectKind) -> Iterator[Complaint]:
    """Complain of every place where what is written is not what Calico enforces, in this way."""
    for defect in subject.defects:
        if defect.kind is kind:
            what = f"has `{_cut(defect.text)}` in {defect.path}: " if defect.text else f"{defect.path}: "
            # The whole text: one hole must not hide behind another that is cut to the same words.
            yield Complaint(what + defect.message, path=defect.path, fingerprint=f"{defect.path} {defect.text}")


def _cut(text: str) -> str:
    shown = " ".join(text.split()) or repr(text)
    return shown if len(shown) <= 80 else f"{shown[:79]}…"


def is_calicos(tier: Tier) -> bool:
    """Say whether a tier is exactly one that Calico makes for itself; who writes it does not matter then."""
    return CALICOS_TIERS.get(tier.name) == (tier.order, tier.default_action)


# Calico's clients make the kube- ones when they start, its operator the last two.
CALICOS_TIERS = {
    "kube-admin": (1_000.0, Action.PASS),
    "kube-baseline": (10_000_000.0, Action.PASS),
    "adminnetworkpolicy": (1_000.0, Action.PASS),
    "baselineadminnetworkpolicy": (10_000_000.0, Action.PASS),
    "calico-system": (100.0, Action.DENY),
    "allow-tigera": (100.0, Action.DENY),
}
