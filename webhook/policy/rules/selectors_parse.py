"""Rule selectors-parse."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.finding import Complaint, Severity
from webhook.policy.objects import DefectKind, Policy
from webhook.policy.rule import rule
from webhook.policy.subjects import misread
from webhook.policy.world import World


@rule(Policy, Severity.DENY, staged=True, everywhere=True)
def selectors_parse(subject: Policy, world: World) -> Iterator[Complaint]:
    """
    Every selector can be parsed on its own.

    Why:
        Calico joins selectors as text before it reads them. One that does not parse is dropped, and the
        policy reaches further than written; one that closes a parenthesis and opens another can take a
        policy out of its namespace.

    Fix:
        Correct the selector at the character named.

    Bad:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: crd.projectcalico.org/v1
          metadata: {name: web, namespace: shop}
          spec: {order: 600, selector: 'all()) || (all()', types: [Ingress]}

    Good:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: crd.projectcalico.org/v1
          metadata: {name: web, namespace: shop}
          spec: {order: 600, selector: "(app == 'a') || (app == 'b')", types: [Ingress]}
    """
    yield from misread(subject, DefectKind.SELECTOR_SYNTAX)
