"""Rule rule-can-decide."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.finding import Complaint, Severity
from webhook.policy.objects import Policy
from webhook.policy.rule import rule
from webhook.policy.undercut.dead import dead_complaints
from webhook.policy.world import World


@rule(Policy, Severity.WARN)
def rule_can_decide(policy: Policy, world: World) -> Iterator[Complaint]:
    """
    Every rule of a policy decides something.

    Why:
        A rule that nothing can match, or that the baseline or an earlier rule has always decided before, misleads its
        author: what it says is not what happens.

    Fix:
        Move the rule before the one that decides, correct its selectors, or remove it.

    Bad:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: projectcalico.org/v3
          metadata: {name: web, namespace: shop}
          spec: {order: 600, types: [Ingress], ingress: [{action: Deny, source: {namespaceSelector: env == 'dev'}}]}

    Good:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: projectcalico.org/v3
          metadata: {name: web, namespace: shop}
          spec: {order: 400, types: [Ingress], ingress: [{action: Deny, source: {namespaceSelector: env == 'dev'}}]}
    """
    yield from dead_complaints(policy, world)
