"""Rule openings-have-two-sides."""

from __future__ import annotations

import json
from collections.abc import Iterator

from webhook.policy.finding import Complaint, Severity
from webhook.policy.objects import Policy
from webhook.policy.rule import rule
from webhook.policy.undercut.one_sided import one_sided
from webhook.policy.world import World


@rule(Policy, Severity.WARN)
def openings_have_two_sides(policy: Policy, world: World) -> Iterator[Complaint]:
    """
    What a policy opens towards another environment is open at the other end too.

    Why:
        The sender's egress and the receiver's ingress are asked, each by its own policies. With one side open nothing
        flows yet, and that looks like a mistake in the policy that is right.

    Fix:
        Apply the policy that is missing at the other end; `isolation-baseline allow` prints both.

    Bad:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - {kind: Namespace, apiVersion: v1, metadata: {name: stage, labels: {env: test}}}
        - kind: NetworkPolicy
          apiVersion: projectcalico.org/v3
          metadata: {name: default-deny, namespace: stage}
          spec: {order: 5000, types: [Egress], egress: [{action: Deny}]}
        - kind: NetworkPolicy
          apiVersion: projectcalico.org/v3
          metadata: {name: from-test, namespace: shop}
          spec: {order: 600, types: [Ingress], ingress: [{action: Allow, source: {namespaceSelector: env == 'test'}}]}

    Good:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - {kind: Namespace, apiVersion: v1, metadata: {name: stage, labels: {env: test}}}
        - kind: NetworkPolicy
          apiVersion: projectcalico.org/v3
          metadata: {name: to-dev, namespace: stage}
          spec: {order: 600, types: [Egress], egress: [{action: Allow, destination: {namespaceSelector: env == 'dev'}}]}
        - kind: NetworkPolicy
          apiVersion: projectcalico.org/v3
          metadata: {name: from-test, namespace: shop}
          spec: {order: 600, types: [Ingress], ingress: [{action: Allow, source: {namespaceSelector: env == 'test'}}]}
    """
    for found in one_sided(policy, world):
        missing = json.dumps(found.policy, separators=(",", ":"))
        yield Complaint(found.detail, found.path, fix=f"apply there: {missing}")
