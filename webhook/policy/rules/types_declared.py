"""Rule types-declared."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.finding import Complaint, Severity
from webhook.policy.objects import Direction, Policy
from webhook.policy.rule import rule
from webhook.policy.subjects import is_tenants
from webhook.policy.world import World


@rule(Policy, Severity.WARN)
def types_declared(policy: Policy, world: World) -> Iterator[Complaint]:
    """
    A Calico policy says which directions it governs.

    Why:
        Without types, Calico's API server, its native resources and the raw v1 resources each decide differently. The
        same file then means different things depending on how it is applied.

    Fix:
        Set spec.types to Ingress, Egress or both.

    Bad:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: crd.projectcalico.org/v1
          metadata: {name: web, namespace: shop}
          spec: {order: 600, ingress: [{action: Allow, source: {selector: app == 'a'}}]}

    Good:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: crd.projectcalico.org/v1
          metadata: {name: web, namespace: shop}
          spec: {order: 600, types: [Ingress], ingress: [{action: Allow, source: {selector: app == 'a'}}]}
    """
    if policy.types_declared or not is_tenants(policy, world):
        return
    meant = " and ".join(direction.value for direction in Direction if direction in policy.types)
    yield Complaint(
        f"has no types and governs {meant} here; other ways of applying it differ", "spec.types", fix="set spec.types"
    )
