"""Rule order-in-tenant-band."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.finding import Complaint, Severity
from webhook.policy.objects import Policy
from webhook.policy.rule import rule
from webhook.policy.settings import Orders
from webhook.policy.subjects import is_tenants
from webhook.policy.world import World


@rule(Policy, Severity.DENY)
def order_in_tenant_band(policy: Policy, world: World) -> Iterator[Complaint]:
    """
    The order of a policy lies inside the band that the settings leave to tenants.

    Why:
        Below the band are the platform's policies. Above it are DNS and the denial: a policy there decides nothing,
        or at the very same order comes first by its name.

    Fix:
        Set spec.order inside the band.

    Bad:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: projectcalico.org/v3
          metadata: {name: web, namespace: shop}
          spec: {order: 5000, types: [Ingress], ingress: [{action: Allow, source: {selector: app == 'web'}}]}

    Good:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: projectcalico.org/v3
          metadata: {name: web, namespace: shop}
          spec: {order: 3999, types: [Ingress], ingress: [{action: Allow, source: {selector: app == 'web'}}]}
    """
    low, high = world.settings.orders.tenants
    if not policy.order_declared or low <= policy.order <= high or not is_tenants(policy, world):
        return
    order = f"{policy.order:.17g}"  # enough digits to tell 3999.0000001 from 3999
    yield Complaint(
        f"has order {order}, {_why(policy.order, world.settings.orders)}",
        "spec.order",
        fix=f"set spec.order between {low:g} and {high:g}",
    )


def _why(order: float, orders: Orders) -> str:
    low, high = orders.tenants
    if order < low:
        return f"ahead of {low:g}, where only the platform's policies stand"
    if order < orders.dns:
        return f"behind {high:g}, the end of the tenants' band"
    if order == orders.dns:
        return "the order of dns-allow: the name would decide which comes first"
    if order < orders.deny:
        return f"behind dns-allow ({orders.dns:g})"
    if order == orders.deny:
        return "the order of default-deny: the name would decide which comes first"
    return f"behind default-deny ({orders.deny:g}): it would never decide anything"
