"""Rule staged-would-undercut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from webhook.policy.finding import Complaint, Severity
from webhook.policy.objects import Policy
from webhook.policy.rule import rule
from webhook.policy.world import World


@rule(Policy, Severity.WARN, staged=True)
def staged_would_undercut(policy: Policy, world: World) -> Iterator[Complaint]:
    """
    A staged policy could be promoted as it is.

    Why:
        Calico only counts what a staged policy would do. Promoting it creates a real policy, which is judged then;
        better to hear of it now.

    Fix:
        Correct the staged policy as if it were enforced.

    Bad:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: StagedNetworkPolicy
          apiVersion: projectcalico.org/v3
          metadata: {name: web, namespace: shop}
          spec: {order: 9000, types: [Ingress]}

    Good:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: StagedNetworkPolicy
          apiVersion: projectcalico.org/v3
          metadata: {name: web, namespace: shop}
          spec: {order: 600, types: [Ingress], ingress: [{action: Deny}]}
    """
    if not policy.staged or policy.staged_action != "Set":
        return
    # This rule is in that table itself, so only now can it be looked at.
    from webhook.policy.rules import RULES

    promoted = replace(policy, staged=False)
    for judge in RULES:
        if judge.severity is Severity.DENY and Policy in judge.subjects and not judge.staged:
            for finding in judge.findings(promoted, world):
                yield Complaint(
                    f"would be refused when promoted: {finding.detail} [{judge.id}]", finding.path, finding.fix
                )
