"""Rule global-selector-alone."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.finding import Complaint, Severity
from webhook.policy.objects import DefectKind, Policy
from webhook.policy.rule import rule
from webhook.policy.subjects import misread
from webhook.policy.world import World


@rule(Policy, Severity.DENY, staged=True, everywhere=True)
def global_selector_alone(subject: Policy, world: World) -> Iterator[Complaint]:
    """
    `global()` stands alone in the namespaceSelector of a rule.

    Why:
        Everywhere else it does not mean what it says: it matches every endpoint.

    Fix:
        Use `global()` alone in namespaceSelector, or name the namespaces.

    Bad:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: crd.projectcalico.org/v1
          metadata: {name: web, namespace: shop}
          spec:
            order: 600
            types: [Ingress]
            ingress:
              - {action: Allow, source: {namespaceSelector: "global() || env == 'dev'"}}

    Good:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: crd.projectcalico.org/v1
          metadata: {name: web, namespace: shop}
          spec:
            order: 600
            types: [Ingress]
            ingress:
              - {action: Allow, source: {namespaceSelector: "env == 'dev'"}}
    """
    yield from misread(subject, DefectKind.SELECTOR_GLOBAL)
