"""Rule nets-outside-cluster."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.finding import Complaint, Severity
from webhook.policy.objects import HostEndpoint, NetworkSet
from webhook.policy.ranges import AddressSet, Cidr, RangeError, parse_cidr
from webhook.policy.rule import rule
from webhook.policy.world import World


@rule(NetworkSet, HostEndpoint, Severity.DENY)
def nets_outside_cluster(subject: NetworkSet | HostEndpoint, world: World) -> Iterator[Complaint]:
    """
    Network sets and host endpoints do not hold addresses of pods, nor those of a managed namespace ones of nodes.

    Why:
        A rule that selects a set opens the set's addresses, whatever environment the pods behind them belong to. In
        its own namespace every rule with a selector reaches a set.

    Fix:
        Name only addresses outside the cluster; select pods by their labels.

    Bad:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkSet
          apiVersion: projectcalico.org/v3
          metadata: {name: half, namespace: shop}
          spec: {nets: [0.0.0.0/1]}

    Good:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkSet
          apiVersion: projectcalico.org/v3
          metadata: {name: partners, namespace: shop}
          spec: {nets: [198.51.100.0/24]}
    """
    cidrs = world.settings.cidrs
    is_tenants = bool(subject.ref.namespace) and world.is_managed(subject.ref.namespace)
    if subject.ref.namespace and not is_tenants:
        return
    # A host endpoint has its node's addresses; so may a global set, which only the platform writes.
    forbidden = AddressSet.from_cidrs((*cidrs.pods, *(cidrs.nodes if is_tenants else ())))
    is_set = isinstance(subject, NetworkSet)
    for at, text in enumerate(subject.nets if isinstance(subject, NetworkSet) else subject.addresses):
        net = _read(text)
        if net is not None and AddressSet.from_cidrs((net,)).overlaps(forbidden):
            yield Complaint(
                f"holds {text}, which overlaps the cluster's own addresses",
                f"spec.{'nets' if is_set else 'expectedIPs'}[{at}]",
                fix="name only addresses outside the cluster, and select pods by labels",
                fingerprint=text,
            )


def _read(text: str) -> Cidr | None:
    """Of what cannot be read, nets-are-cidrs speaks."""
    try:
        return parse_cidr(text, allow_host_bits=True, allow_address=True)
    except RangeError:
        return None
