"""Rule dns-not-blocked."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.finding import Complaint, Severity
from webhook.policy.objects import Policy, Tier
from webhook.policy.rule import rule
from webhook.policy.undercut.judge import block_complaints
from webhook.policy.undercut.others import tier_complaints
from webhook.policy.world import World


@rule(Policy, Tier, Severity.DENY)
def dns_not_blocked(subject: Policy | Tier, world: World) -> Iterator[Complaint]:
    """
    No policy takes DNS away from a managed pod.

    Why:
        Nearly everything begins with a name. A Deny before dns-allow, or an earlier tier that drops what its policies
        leave undecided, looks like an outage of the application.

    Fix:
        Allow UDP and TCP to the DNS pods before the Deny, or narrow it; in an earlier tier end with a Pass.

    Bad:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: projectcalico.org/v3
          metadata: {name: quiet, namespace: shop}
          spec: {order: 600, types: [Egress], egress: [{action: Deny}]}

    Good:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: projectcalico.org/v3
          metadata: {name: quiet, namespace: shop}
          spec: {order: 600, types: [Egress], egress: [{action: Deny, destination: {namespaceSelector: env == 'dev'}}]}
    """
    match subject:
        case Policy():
            yield from block_complaints(subject, world)
        case Tier():
            yield from tier_complaints(subject, world, block_complaints)
