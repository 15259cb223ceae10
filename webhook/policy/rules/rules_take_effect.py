"""Rule rules-take-effect."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.finding import Complaint, Severity
from webhook.policy.objects import DefectKind, Policy
from webhook.policy.rule import rule
from webhook.policy.subjects import misread
from webhook.policy.world import World


@rule(Policy, Severity.DENY, staged=True, everywhere=True)
def rules_take_effect(subject: Policy, world: World) -> Iterator[Complaint]:
    """
    Every rule is one that Calico enforces as it is written.

    Why:
        Some combinations are accepted by the API and ignored or widened by Felix: the author believes in a
        rule that is not there.

    Fix:
        Split the rule, or leave out what cannot stand together.

    Bad:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: crd.projectcalico.org/v1
          metadata: {name: web, namespace: shop}
          spec:
            order: 600
            types: [Egress]
            egress:
              - {action: Allow, destination: {services: {name: web, namespace: shop}, selector: all()}}

    Good:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: crd.projectcalico.org/v1
          metadata: {name: web, namespace: shop}
          spec:
            order: 600
            types: [Egress]
            egress:
              - {action: Allow, destination: {services: {name: web, namespace: shop}}}
    """
    yield from misread(subject, DefectKind.RULE_SHAPE)
