"""Rule order-declared."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.finding import Complaint, Severity
from webhook.policy.objects import Policy
from webhook.policy.rule import rule
from webhook.policy.subjects import is_tenants
from webhook.policy.world import World


@rule(Policy, Severity.DENY)
def order_declared(policy: Policy, world: World) -> Iterator[Complaint]:
    """
    A policy says in which order it comes.

    Why:
        Calico puts a policy without an order behind all others. Behind default-deny it never decides anything, and
        its author believes it does.

    Fix:
        Set spec.order inside the band that the settings leave to tenants.

    Bad:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: projectcalico.org/v3
          metadata: {name: web, namespace: shop}
          spec: {types: [Ingress], ingress: [{action: Allow, source: {selector: app == 'web'}}]}

    Good:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: projectcalico.org/v3
          metadata: {name: web, namespace: shop}
          spec: {order: 600, types: [Ingress], ingress: [{action: Allow, source: {selector: app == 'web'}}]}
    """
    if policy.order_declared or not is_tenants(policy, world):
        return
    low, high = world.settings.orders.tenants
    yield Complaint(
        f"has no order: it comes behind {world.settings.orders.deny:g}, the baseline's denial, and decides nothing",
        "spec.order",
        fix=f"set spec.order between {low:g} and {high:g}",
    )
