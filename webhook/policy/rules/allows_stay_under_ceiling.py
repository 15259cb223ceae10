"""Rule allows-stay-under-ceiling."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.finding import Complaint, Severity
from webhook.policy.objects import Namespace, NetworkSet, Policy, Tier
from webhook.policy.rule import rule
from webhook.policy.undercut.judge import leak_complaints
from webhook.policy.undercut.others import namespace_complaints, set_complaints, tier_complaints
from webhook.policy.world import World


@rule(Policy, NetworkSet, Tier, Namespace, Severity.DENY)
def allows_stay_under_ceiling(subject: Policy | NetworkSet | Tier | Namespace, world: World) -> Iterator[Complaint]:
    """
    A policy lets through only what the settings permit.

    Why:
        An Allow that is heard before the denial of the baseline is final: no other policy takes anything back. So
        each is judged alone, in every world there can be: with any labels on any pod, in namespaces yet to come. A
        network set, a tier or a namespace is judged with the policies it gives effect to.

    Fix:
        Name the peers by environment, by namespace or within the same namespace; or ask for a permit.

    Bad:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: projectcalico.org/v3
          metadata: {name: web, namespace: shop}
          spec:
            order: 600
            types: [Ingress]
            ingress: [{action: Allow, source: {namespaceSelector: env != 'prod'}}]

    Good:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: projectcalico.org/v3
          metadata: {name: web, namespace: shop}
          spec:
            order: 600
            types: [Ingress]
            ingress: [{action: Allow, source: {namespaceSelector: env == 'dev'}}]
    """
    match subject:
        case Policy():
            yield from leak_complaints(subject, world)
        case NetworkSet():
            yield from set_complaints(subject, world)
        case Tier():
            yield from tier_complaints(subject, world, leak_complaints)
        case Namespace():
            yield from namespace_complaints(subject, world)
