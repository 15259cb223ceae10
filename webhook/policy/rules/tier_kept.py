"""Rule tier-kept."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.change import Change, Operation
from webhook.policy.finding import Complaint, Severity
from webhook.policy.objects import TIER_DEFAULT, Tier
from webhook.policy.rule import rule
from webhook.policy.world import World


@rule(Change, Severity.DENY)
def tier_kept(change: Change, world: World) -> Iterator[Complaint]:
    """
    Tier default stays, and so does a tier that has policies.

    Why:
        Calico goes on enforcing policies whose tier is gone, behind all other tiers. The raw v1 API lets a tier be
        deleted that Calico's own API would keep.

    Fix:
        Delete or move the tier's policies first; tier default always stays.

    Bad:
        - change:
            user: dora
            old: {kind: Tier, apiVersion: crd.projectcalico.org/v1, metadata: {name: default}, spec: {order: 1000000}}

    Good:
        - change:
            user: dora
            old: {kind: Tier, apiVersion: crd.projectcalico.org/v1, metadata: {name: unused}, spec: {order: 2000000}}
    """
    tier = change.old
    if change.operation is not Operation.DELETE or not isinstance(tier, Tier):
        return
    if tier.name == TIER_DEFAULT:
        yield Complaint("holds the baseline and may not be deleted", fix="leave it")
        return
    inside = min((policy.ref for policy in world.policies.values() if policy.tier == tier.name), default=None)
    if inside is not None:
        yield Complaint(f"still has policies, such as {inside}", fix="delete or move them first")
