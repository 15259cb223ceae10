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
    Network sets hold no addresses of the cluster, and those of a managed namespace only permitted ones.

    Why:
        A rule that selects a set opens the set's addresses, whatever environment the pods behind them belong to. In
        its own namespace every rule with a selector reaches a set, so such a set is as wide as an allow.

    Fix:
        Name only addresses outside the cluster that the settings list under cidrs.ingress or cidrs.egress.

    Bad:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkSet
          apiVersion: projectcalico.org/v3
          metadata: {name: all, namespace: shop}
          spec: {nets: [0.0.0.0/1]}

    Good:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkSet
          apiVersion: projectcalico.org/v3
          metadata: {name: empty, namespace: shop}
          spec: {nets: []}
        - kind: GlobalNetworkSet
          apiVersion: projectcalico.org/v3
          metadata: {name: partners}
          spec: {nets: [198.51.100.0/24]}
    """
    cidrs = world.settings.cidrs
    written = subject.nets if isinstance(subject, NetworkSet) else subject.addresses
    is_tenants = bool(subject.ref.namespace) and world.is_managed(subject.ref.namespace)
    if subject.ref.namespace and not is_tenants:
        return
    # A host endpoint has the node's own addresses; so may a global set, which only the platform writes.
    forbidden = AddressSet.from_cidrs((*cidrs.pods, *(cidrs.nodes if is_tenants else ())))
    permitted = AddressSet.from_cidrs((*cidrs.ingress, *cidrs.egress))
    field = "spec.nets" if isinstance(subject, NetworkSet) else "spec.expectedIPs"
    for at, text in enumerate(written):
        net = _read(text)
        if net is None:
            continue  # nets-are-cidrs speaks
        nets = AddressSet.from_cidrs((net,))
        if nets.overlaps(forbidden):
            what = f"holds {text}, which overlaps the cluster's own addresses"
            yield Complaint(what, f"{field}[{at}]", fix="name only addresses outside the cluster", fingerprint=text)
        elif is_tenants and not permitted.covers(nets):
            what = f"holds {text}, which settings permit neither for ingress nor for egress"
            yield Complaint(what, f"{field}[{at}]", fix=_permitted(permitted), fingerprint=text)


def _permitted(permitted: AddressSet) -> str:
    ranges = ", ".join(str(net) for net in permitted.cidrs()[:5])
    return f"use addresses within {ranges}" if ranges else "ask for the addresses under cidrs of the settings"


def _read(text: str) -> Cidr | None:
    try:
        return parse_cidr(text, allow_host_bits=True, allow_address=True)
    except RangeError:
        return None
