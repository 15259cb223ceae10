"""Rule labels-not-forged."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.finding import Complaint, Severity
from webhook.policy.objects import HostEndpoint, NetworkSet
from webhook.policy.rule import rule
from webhook.policy.world import World

_PREFIXES = ("projectcalico.org/", "pcns.", "pcsa.")
# By these Calico's controllers know the host endpoints that they made; no selector of the baseline looks at them.
_CALICOS_OWN = frozenset({"projectcalico.org/created-by"})


@rule(NetworkSet, HostEndpoint, Severity.DENY)
def labels_not_forged(subject: NetworkSet | HostEndpoint, world: World) -> Iterator[Complaint]:
    """
    A network set or host endpoint carries no label by which it would pass for a pod or for a part of a namespace.

    Why:
        Policies tell pods from sets by projectcalico.org/orchestrator, and namespaces by labels under pcns. Calico
        strips these from pods and from nothing else: a set that has them brings its addresses into the environment.

    Fix:
        Use labels of your own.

    Bad:
        - kind: NetworkSet
          apiVersion: projectcalico.org/v3
          metadata: {name: all, namespace: shop, labels: {projectcalico.org/orchestrator: k8s}}
          spec: {nets: [198.51.100.0/24]}

    Good:
        - kind: NetworkSet
          apiVersion: projectcalico.org/v3
          metadata: {name: partners, namespace: shop, labels: {role: partner}}
          spec: {nets: [198.51.100.0/24]}
    """
    for key, value in sorted(subject.meta.labels.items()):
        if key.startswith(_PREFIXES) and key not in _CALICOS_OWN:
            yield Complaint(
                f"carries label {key}={value}, by which it passes for a pod or namespace",
                f"metadata.labels[{key}]",
                fix=f"remove the label {key}",
            )
