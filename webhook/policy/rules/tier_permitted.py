"""Rule tier-permitted."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.finding import Complaint, Severity
from webhook.policy.objects import Policy
from webhook.policy.rule import rule
from webhook.policy.subjects import is_tenants
from webhook.policy.world import World


@rule(Policy, Severity.DENY)
def tier_permitted(policy: Policy, world: World) -> Iterator[Complaint]:
    """
    A policy is in one of the tiers that the settings leave to tenants.

    Why:
        Tiers are evaluated one after the other: what an earlier one allows, the baseline never sees, and what a later
        one says is never reached.

    Fix:
        Leave spec.tier out, or set it to a tenants' tier.

    Bad:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: projectcalico.org/v3
          metadata: {name: platform.web, namespace: shop}
          spec: {tier: platform, order: 600, types: [Ingress], ingress: [{action: Allow}]}

    Good:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: projectcalico.org/v3
          metadata: {name: web, namespace: shop}
          spec: {tier: default, order: 600, types: [Ingress], ingress: [{action: Allow}]}
    """
    tiers = world.settings.tenant_tiers
    if policy.tier in tiers or not is_tenants(policy, world):
        return
    yield Complaint(
        f"is in tier {policy.tier}, which is not tenants'", "spec.tier", fix=f"set spec.tier to {' or '.join(tiers)}"
    )
