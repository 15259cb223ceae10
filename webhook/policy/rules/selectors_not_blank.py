"""Rule selectors-not-blank."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.finding import Complaint, Severity
from webhook.policy.objects import DefectKind, Policy
from webhook.policy.rule import rule
from webhook.policy.subjects import misread
from webhook.policy.world import World


@rule(Policy, Severity.DENY, staged=True, everywhere=True)
def selectors_not_blank(subject: Policy, world: World) -> Iterator[Complaint]:
    """
    No selector consists of spaces.

    Why:
        Depending on the field, Calico takes a blank selector for all, drops the whole policy, or Felix
        exits on every node that has a selected pod.

    Fix:
        Leave the field out, or write a selector.

    Bad:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: crd.projectcalico.org/v1
          metadata: {name: web, namespace: shop}
          spec:
            order: 600
            types: [Ingress]
            ingress:
              - {action: Allow, source: {selector: app == 'a', notSelector: ' '}}

    Good:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: crd.projectcalico.org/v1
          metadata: {name: web, namespace: shop}
          spec:
            order: 600
            types: [Ingress]
            ingress:
              - {action: Allow, source: {selector: app == 'a', notSelector: ''}}
    """
    yield from misread(subject, DefectKind.SELECTOR_BLANK)
