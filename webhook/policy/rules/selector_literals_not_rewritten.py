"""Rule selector-literals-not-rewritten."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.finding import Complaint, Severity
from webhook.policy.objects import DefectKind, Policy
from webhook.policy.rule import rule
from webhook.policy.subjects import misread
from webhook.policy.world import World


@rule(Policy, Severity.DENY, staged=True, everywhere=True)
def selector_literals_not_rewritten(subject: Policy, world: World) -> Iterator[Complaint]:
    """
    No quoted text in a selector holds `all()` or `global()`.

    Why:
        Calico replaces these words in the text of selectors, inside quotes too: what is enforced is not
        what is written.

    Fix:
        Use another label value.

    Bad:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: crd.projectcalico.org/v1
          metadata: {name: web, namespace: shop}
          spec:
            order: 600
            types: [Ingress]
            ingress:
              - {action: Allow, source: {namespaceSelector: "name == 'all()'"}}

    Good:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: crd.projectcalico.org/v1
          metadata: {name: web, namespace: shop}
          spec:
            order: 600
            types: [Ingress]
            ingress:
              - {action: Allow, source: {namespaceSelector: "name == 'all'"}}
    """
    yield from misread(subject, DefectKind.SELECTOR_REWRITTEN)
