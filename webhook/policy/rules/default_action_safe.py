"""Rule default-action-safe."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.finding import Complaint, Severity
from webhook.policy.objects import DEFAULT_TIER_ORDER, TIER_DEFAULT, Action, Tier
from webhook.policy.rule import rule
from webhook.policy.subjects import is_calicos
from webhook.policy.world import World


@rule(Tier, Severity.DENY)
def default_action_safe(tier: Tier, world: World) -> Iterator[Complaint]:
    """
    Tier default denies what nothing in it decides, and every tier before it passes that on.

    Why:
        If tier default passed, what no policy allows would reach the next tier and then be allowed. If an earlier tier
        denied, one policy in it that selects a pod would cut the pod's DNS off.

    Fix:
        Set spec.defaultAction to Deny for tier default, and to Pass for a tier before it.

    Bad:
        - kind: Tier
          apiVersion: projectcalico.org/v3
          metadata: {name: default}
          spec: {order: 1000000, defaultAction: Pass}

    Good:
        - kind: Tier
          apiVersion: projectcalico.org/v3
          metadata: {name: default}
          spec: {order: 1000000, defaultAction: Deny}
        - kind: Tier
          apiVersion: projectcalico.org/v3
          metadata: {name: kube-admin}
          spec: {order: 1000, defaultAction: Pass}
    """
    if tier.name == TIER_DEFAULT:
        if tier.default_action is not Action.DENY:
            yield Complaint(
                "passes on what no policy in it decides, and Calico then allows it",
                "spec.defaultAction",
                fix="set spec.defaultAction to Deny",
            )
        return
    comes_before = (tier.order, tier.name) < (DEFAULT_TIER_ORDER, TIER_DEFAULT)
    if comes_before and tier.default_action is not Action.PASS and not is_calicos(tier):
        yield Complaint(
            "comes before the baseline and denies what no policy in it decides, DNS too",
            "spec.defaultAction",
            fix="set spec.defaultAction to Pass",
        )
