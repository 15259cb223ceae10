"""Rule baseline-unchanged."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.baseline import MANAGED_BY, PRODUCT, SETTINGS_ANNOTATION
from webhook.policy.change import Change
from webhook.policy.compare import deviations
from webhook.policy.finding import Complaint, Severity
from webhook.policy.identities import DELETION_FINALIZERS
from webhook.policy.objects import Policy
from webhook.policy.rule import rule
from webhook.policy.subjects import is_baseline
from webhook.policy.world import World

_FIX = "leave it to the controller; put what you need into a policy of your own"


@rule(Policy, Change, Severity.DENY)
def baseline_unchanged(subject: Policy | Change, world: World) -> Iterator[Complaint]:
    """
    A baseline policy is exactly what the settings ask for, whoever writes it.

    Why:
        A changed selector, order or rule opens the namespace as much as a deleted policy does. An owner reference
        makes the garbage collector delete it, a finalizer keeps its namespace from going away.

    Fix:
        Leave the policy to the controller. Open what you need in a policy of your own.

    Bad:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: projectcalico.org/v3
          metadata: {name: default-deny, namespace: shop, labels: {app.kubernetes.io/managed-by: isolation-baseline}}
          spec:
            order: 5000
            selector: app == 'nothing'
            types: [Ingress, Egress]
            ingress: [{action: Deny}]
            egress: [{action: Deny}]

    Good:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: projectcalico.org/v3
          metadata: {name: default-deny, namespace: shop, labels: {app.kubernetes.io/managed-by: isolation-baseline}}
          spec:
            order: 5000
            selector: all()
            types: [Ingress, Egress]
            ingress: [{action: Deny}]
            egress: [{action: Deny}]
    """
    match subject:
        case Policy():
            if is_baseline(subject, world):
                yield from _metadata(subject)
                # Without our label it was never ours: baseline-names-reserved says so in better words.
                if subject.meta.labels.get(MANAGED_BY) == PRODUCT:
                    yield from deviations(subject, world, fix=_FIX)
        case Change(old=Policy() as old, new=Policy() as new):
            before, after = old.meta.labels.get(MANAGED_BY), new.meta.labels.get(MANAGED_BY)
            if before == PRODUCT and after != before and is_baseline(new, world):
                yield Complaint(
                    f"loses its label {MANAGED_BY}={PRODUCT}, by which it is known as generated",
                    f"metadata.labels[{MANAGED_BY}]",
                    fix=_FIX,
                )
            if is_baseline(new, world):
                yield from _restamped(old, new, world)


def _restamped(old: Policy, new: Policy, world: World) -> Iterator[Complaint]:
    """An auditor reads from the stamp by which settings a policy was made."""
    before, after = (policy.meta.annotations.get(SETTINGS_ANNOTATION) for policy in (old, new))
    # None says nothing, and what says nothing cannot lie.
    if after not in (None, before, world.settings.generation):
        yield Complaint(
            f"changes {SETTINGS_ANNOTATION}, which says by which settings it was made",
            f"metadata.annotations[{SETTINGS_ANNOTATION}]",
            fix=_FIX,
            fingerprint=str(after),
        )


def _metadata(policy: Policy) -> Iterator[Complaint]:
    for owner in policy.meta.owner_references:
        what = f"is owned by {owner.kind} {owner.name}, with which it would be deleted"
        yield Complaint(
            what, "metadata.ownerReferences", fix=_FIX, fingerprint=f"{owner.kind} {owner.name} {owner.uid}"
        )
    for finalizer in policy.meta.finalizers:
        # On an object that is being deleted the API server itself puts these; its deletion was judged.
        if not (policy.meta.deleting and finalizer in DELETION_FINALIZERS):
            yield Complaint(f"has finalizer {finalizer}, which holds up its namespace", "metadata.finalizers", fix=_FIX)
