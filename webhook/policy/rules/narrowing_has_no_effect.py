"""Rule narrowing-has-no-effect."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.baseline import ns_allow
from webhook.policy.finding import Complaint, Severity
from webhook.policy.objects import KUBERNETES_POLICY_ORDER, CalicoApi, Policy, PolicyKind
from webhook.policy.rule import rule
from webhook.policy.settings import Reach
from webhook.policy.world import World


@rule(Policy, Severity.WARN)
def narrowing_has_no_effect(policy: Policy, world: World) -> Iterator[Complaint]:
    """
    A Kubernetes NetworkPolicy only adds to what the same environment may do; it takes nothing away.

    Why:
        Calico gives it order 1000. What comes from the same environment is allowed before, at the order of the
        generated allow.

    Fix:
        Write a Calico NetworkPolicy with Deny rules and an order below the generated allow's to narrow a namespace.

    Bad:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: networking.k8s.io/v1
          metadata: {name: only-web, namespace: shop}
          spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}

    Good:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: projectcalico.org/v3
          metadata: {name: only-web, namespace: shop}
          spec: {order: 400, types: [Ingress], ingress: [{action: Deny, source: {notSelector: app == 'web'}}]}
    """
    order = world.settings.orders.same_environment
    if (
        policy.kind is PolicyKind.KUBERNETES_NETWORK_POLICY
        and world.is_managed(policy.namespace)
        and world.api is not CalicoApi.KUBERNETES
        and world.settings.same_environment is not Reach.NONE
        and order < KUBERNETES_POLICY_ORDER
    ):
        generated = ns_allow(policy.namespace)
        yield Complaint(
            f"only adds: {generated} (order {order:g}) allows the same environment before it",
            "spec",
            fix=f"to narrow, use a Calico NetworkPolicy with Deny rules and an order below {order:g}",
        )
