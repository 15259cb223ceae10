"""Rule baseline-names-reserved."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.baseline import MANAGED_BY, PRODUCT
from webhook.policy.compare import deviations
from webhook.policy.finding import Complaint, Severity
from webhook.policy.objects import Policy
from webhook.policy.rule import rule
from webhook.policy.subjects import is_baseline
from webhook.policy.world import World


@rule(Policy, Severity.DENY)
def baseline_names_reserved(policy: Policy, world: World) -> Iterator[Complaint]:
    """
    The names of the baseline are kept for the baseline, in both spellings in which Calico stores them.

    Why:
        Calico compares policies by name. One that takes the name of a baseline policy stands in its place.

    Fix:
        Choose another name.

    Bad:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: crd.projectcalico.org/v1
          metadata: {name: default.default-deny, namespace: shop}
          spec: {order: 600, types: [Ingress], ingress: [{action: Allow}]}

    Good:
        - {kind: Namespace, apiVersion: v1, metadata: {name: development, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: crd.projectcalico.org/v1
          metadata: {name: test-ns-allow, namespace: development}
          spec: {order: 600, types: [Ingress], ingress: [{action: Allow, source: {selector: app == 'a'}}]}
    """
    if not is_baseline(policy, world) or policy.meta.labels.get(MANAGED_BY) == PRODUCT:
        return
    found = tuple(deviations(policy, world, fix=""))
    if found:
        yield Complaint(
            f"takes a name that is reserved for the baseline: {found[0].detail}",
            "metadata.name",
            fix="choose another name",
            fingerprint=" ".join(complaint.fingerprint for complaint in found),
        )
