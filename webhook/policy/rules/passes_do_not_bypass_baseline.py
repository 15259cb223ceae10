"""Rule passes-do-not-bypass-baseline."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.finding import Complaint, Severity
from webhook.policy.objects import Action, Policy
from webhook.policy.rule import rule
from webhook.policy.undercut.judge import leak_complaints
from webhook.policy.world import World


@rule(Policy, Severity.DENY)
def passes_do_not_bypass_baseline(policy: Policy, world: World) -> Iterator[Complaint]:
    """
    No Pass in the baseline's tier carries traffic past the baseline.

    Why:
        Behind tier default nothing decides but the namespace's profile, and that allows. A Pass there is an Allow
        that does not look like one. From an earlier tier a Pass leads to the baseline, and is welcome.

    Fix:
        Remove the Pass, or allow what the settings permit.

    Bad:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: projectcalico.org/v3
          metadata: {name: web, namespace: shop}
          spec: {order: 600, types: [Ingress], ingress: [{action: Pass}]}

    Good:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: projectcalico.org/v3
          metadata: {name: web, namespace: shop}
          spec: {order: 600, types: [Ingress], ingress: [{action: Pass, source: {namespaceSelector: env == 'dev'}}]}
    """
    yield from leak_complaints(policy, world, Action.PASS)
