"""Rule order-not-before-baseline."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.finding import Complaint, Severity
from webhook.policy.objects import DEFAULT_TIER_ORDER, TIER_DEFAULT, Tier
from webhook.policy.rule import rule
from webhook.policy.subjects import is_calicos
from webhook.policy.world import World


@rule(Tier, Severity.DENY)
def order_not_before_baseline(tier: Tier, world: World) -> Iterator[Complaint]:
    """
    No tier comes before the baseline's, but Calico's own and those that the settings leave to tenants.

    Why:
        What an earlier tier allows or denies is final: the baseline behind it is never asked. A tier without an order
        counts as 1,000,000, the same as tier default, and then the name decides.

    Fix:
        Set spec.order above 1,000,000, or use tier default.

    Bad:
        - {kind: Tier, apiVersion: projectcalico.org/v3, metadata: {name: abc}, spec: {defaultAction: Pass}}

    Good:
        - {kind: Tier, apiVersion: projectcalico.org/v3, metadata: {name: zzz}, spec: {defaultAction: Pass}}
        - {kind: Tier, apiVersion: projectcalico.org/v3, metadata: {name: late}, spec: {order: 2000000}}
    """
    if tier.name == TIER_DEFAULT:
        if tier.order != DEFAULT_TIER_ORDER:
            yield Complaint(
                f"has order {tier.order:.17g}; the baseline is in it, and others count on {DEFAULT_TIER_ORDER:.0f}",
                "spec.order",
                fix=f"set spec.order to {DEFAULT_TIER_ORDER:.0f}",
            )
        return
    if tier.name in world.settings.tenant_tiers or is_calicos(tier):
        return
    if (tier.order, tier.name) < (DEFAULT_TIER_ORDER, TIER_DEFAULT):
        order = f"has order {tier.order:.17g}" if tier.order_declared else "has no order, which counts as 1000000"
        tied = f": `{tier.name}` sorts before `{TIER_DEFAULT}`" if tier.order == DEFAULT_TIER_ORDER else ""
        yield Complaint(
            f"{order} and comes before tier {TIER_DEFAULT}{tied}: what it decides, the baseline never sees",
            "spec.order",
            fix=f"set spec.order above {DEFAULT_TIER_ORDER:.0f}",
        )
