"""Rule ports-valid."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.finding import Complaint, Severity
from webhook.policy.objects import DefectKind, Policy
from webhook.policy.rule import rule
from webhook.policy.subjects import misread
from webhook.policy.world import World


@rule(Policy, Severity.DENY, staged=True, everywhere=True)
def ports_valid(subject: Policy, world: World) -> Iterator[Complaint]:
    """
    Ports and protocols are ones that Felix accepts.

    Why:
        One port without a protocol, or a protocol that does not exist, and Felix treats the whole policy as
        missing, its Deny rules too.

    Fix:
        Give `protocol` TCP, UDP or SCTP beside numbered ports, and ports from 1 to 65535.

    Bad:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: crd.projectcalico.org/v1
          metadata: {name: web, namespace: shop}
          spec: {order: 600, types: [Ingress], ingress: [{action: Allow, destination: {ports: [80]}}]}

    Good:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: crd.projectcalico.org/v1
          metadata: {name: web, namespace: shop}
          spec: {order: 600, types: [Ingress], ingress: [{action: Allow, protocol: TCP, destination: {ports: [80]}}]}
    """
    yield from misread(subject, DefectKind.PORT_SYNTAX)
