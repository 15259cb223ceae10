"""Rule nets-are-cidrs."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.finding import Complaint, Severity
from webhook.policy.objects import DefectKind, HostEndpoint, NetworkSet, Policy
from webhook.policy.rule import rule
from webhook.policy.subjects import misread
from webhook.policy.world import World


@rule(Policy, NetworkSet, HostEndpoint, Severity.DENY, staged=True, everywhere=True)
def nets_are_cidrs(subject: Policy | NetworkSet | HostEndpoint, world: World) -> Iterator[Complaint]:
    """
    Every net and address is written so that Calico reads it as it stands.

    Why:
        Calico skips what it cannot read. A list that becomes empty is no constraint at all: any source. On
        an empty entry in a set Felix exits.

    Fix:
        Write addresses in CIDR notation, such as 203.0.113.0/24 or 2001:db8::/32.

    Bad:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: crd.projectcalico.org/v1
          metadata: {name: web, namespace: shop}
          spec: {order: 600, types: [Ingress], ingress: [{action: Allow, source: {nets: ['10.0.0.0/255.0.0.0']}}]}

    Good:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: crd.projectcalico.org/v1
          metadata: {name: web, namespace: shop}
          spec: {order: 600, types: [Ingress], ingress: [{action: Allow, source: {nets: ['10.0.0.0/8']}}]}
    """
    yield from misread(subject, DefectKind.NET_SYNTAX)
