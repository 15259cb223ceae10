"""Rule service-account-names-valid."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.finding import Complaint, Severity
from webhook.policy.objects import DefectKind, Policy
from webhook.policy.rule import rule
from webhook.policy.subjects import misread
from webhook.policy.world import World


@rule(Policy, Severity.DENY, staged=True, everywhere=True)
def service_account_names_valid(subject: Policy, world: World) -> Iterator[Complaint]:
    """
    The service accounts in a rule are names that a ServiceAccount can have.

    Why:
        Calico pastes them into a selector without escaping. A quote in a name drops the clause, or lets
        every pod match it.

    Fix:
        Write names of lower-case letters, digits, `-` and `.`.

    Bad:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: crd.projectcalico.org/v1
          metadata: {name: web, namespace: shop}
          spec: {order: 600, types: [Ingress], ingress: [{action: Allow, source: {serviceAccounts: {names: ["a'"]}}}]}

    Good:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: crd.projectcalico.org/v1
          metadata: {name: web, namespace: shop}
          spec: {order: 600, types: [Ingress], ingress: [{action: Allow, source: {serviceAccounts: {names: [a]}}}]}
    """
    yield from misread(subject, DefectKind.SERVICE_ACCOUNT_NAME)
