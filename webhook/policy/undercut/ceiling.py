"""Ceiling and floor: the flows that may be opened at all and those that must pass, as covers and regions of a peer."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.objects import Direction, Pod
from webhook.policy.ranges import AddressSet, Cidr, PortSet, RangeError, parse_address
from webhook.policy.selectors import Selector
from webhook.policy.settings import UNASSIGNED, Reach, SharedDirection
from webhook.policy.undercut.boxes import TCP, UDP, Cover, Region
from webhook.policy.undercut.peers import Kind, Peer, residual
from webhook.policy.undercut.universe import Servers, Universe
from webhook.policy.world import World

_EVERYTHING = (Cover(),)
_KEPT = 8_192
# Where DNS pods are sought when settings do not say where pods are: the ranges that nobody routes in the internet.
# Every address could be one, but then no address could ever be denied.
_PRIVATE = AddressSet.from_cidrs(
    (
        Cidr(4, 10 << 24, 8),
        Cidr(4, 100 << 24 | 64 << 16, 10),
        Cidr(4, 172 << 24 | 16 << 16, 12),
        Cidr(4, 192 << 24 | 168 << 16, 16),
        Cidr(6, 0xFC << 120, 7),
    )
)


def is_everything(covers: tuple[Cover, ...]) -> bool:
    return covers is _EVERYTHING


def is_same_namespace(subject: Peer, peer: Peer) -> bool:
    """Whether both are in the same namespace; two that no selector names can always be two."""
    return peer.in_namespace and bool(peer.namespace) and peer.namespace == subject.namespace


def permitted(direction: Direction, subject: Peer, peer: Peer, universe: Universe) -> tuple[Cover, ...]:
    """What of all flows between the two is under the ceiling."""
    if peer.kind is Kind.POD and is_same_namespace(subject, peer):
        return _EVERYTHING
    key = (direction, universe.ceiling_environment(subject), peer)
    found = universe.known_permits.get(key)
    if found is None:
        if len(universe.known_permits) >= _KEPT:
            universe.known_permits.clear()
        found = universe.known_permits[key] = _permitted(*key, universe)
    return found


def _permitted(direction: Direction, own: str, peer: Peer, universe: Universe) -> tuple[Cover, ...]:
    """The same for a subject of an environment, in another namespace than the peer."""
    if peer.kind is Kind.HOST and direction is Direction.INGRESS:
        return _EVERYTHING
    pairs: tuple[Cover, ...] = ()
    if peer.kind is Kind.POD:
        if _is_shared(peer, direction, universe):
            return _EVERYTHING
        pairs = _pair(direction, own, peer, universe)
        if pairs is _EVERYTHING:
            return pairs
    listed = universe.addresses.listed(direction)
    covers = [*pairs]
    if not listed.is_empty:
        covers.append(Cover(peer_addresses=listed))
    if direction is Direction.EGRESS:
        covers += _dns_covers(peer, universe)
    return tuple(covers)


def _is_shared(peer: Peer, direction: Direction, universe: Universe) -> bool:
    wanted = SharedDirection.INGRESS if direction is Direction.INGRESS else SharedDirection.EGRESS
    return any(
        shared.name == peer.namespace and shared.direction in (wanted, SharedDirection.BOTH)
        for shared in universe.settings.shared_namespaces
    )


def _pair(direction: Direction, own: str, peer: Peer, universe: Universe) -> tuple[Cover, ...]:
    """What settings permit between two environments, whichever way the flow goes."""
    other = peer.environment
    if other is None or UNASSIGNED in (own, other) or other not in universe.environments:
        return ()
    if peer.namespace and not universe.is_managed(peer.namespace):
        return ()
    if own == other and universe.settings.same_environment is Reach.ENVIRONMENT:
        return _EVERYTHING
    source, destination = (other, own) if direction is Direction.INGRESS else (own, other)
    covers: list[Cover] = []
    for permit in universe.settings.permits:
        if (permit.source, permit.destination) == (source, destination):
            if not permit.ports:
                return _EVERYTHING
            covers += (Cover(protocols=1 << p.protocol, ports=PortSet(((p.low, p.high),))) for p in permit.ports)
    return tuple(covers)


def _dns_covers(peer: Peer, universe: Universe) -> Iterator[Cover]:
    local = universe.addresses.node_local
    for protocol in (UDP, TCP):
        if not local.is_empty:
            yield Cover(protocols=1 << protocol, ports=universe.dns_ports, peer_addresses=local)
        for servers in universe.dns:
            condition = _servers_condition(servers, peer)
            if condition is not None:
                selector = condition[0] if condition else None
                yield Cover(selector, protocols=1 << protocol, ports=universe.dns_ports)


def _servers_condition(servers: Servers, peer: Peer) -> tuple[Selector, ...] | None:
    """What makes a peer one of these DNS pods; None when it is never one."""
    if peer.kind is not Kind.POD or peer.namespace != servers.namespace or servers.selector is None:
        return None
    left = residual(servers.selector, peer)
    if isinstance(left, bool):
        return () if left else None
    return (left,)


def floor(universe: Universe, world: World) -> Iterator[tuple[Peer, Region]]:
    """The flows that every managed pod is guaranteed: DNS, to the cluster's servers and to the node's own address."""
    own, ports = universe.addresses.declared, universe.dns_ports
    for servers in universe.dns:
        where = _server_addresses(servers, universe, world)
        for peer in universe.pods_of(servers.namespace):
            condition = _servers_condition(servers, peer)
            if condition is not None:
                for protocol in (UDP, TCP):
                    yield peer, Region(condition, (), where, own, 1 << protocol, ports)
    local = universe.addresses.node_local
    if not local.is_empty:
        peer = Peer(Kind.OUTSIDE, universe.environment_key)
        for protocol in (UDP, TCP):
            yield peer, Region((), (), local, own, 1 << protocol, ports)


def _server_addresses(servers: Servers, universe: Universe, world: World) -> AddressSet:
    """Where DNS pods can be: in the pods' ranges; if these are not known, where such pods are, or what is private."""
    if universe.addresses.are_pods_known:
        return universe.addresses.declared
    live = [cidr for pod in world.pods.values() if _is_server(pod, servers) for cidr in _parsed(pod.addresses)]
    return AddressSet.from_cidrs(live) if live else _PRIVATE


def _is_server(pod: Pod, servers: Servers) -> bool:
    return (
        pod.meta.namespace == servers.namespace
        and servers.selector is not None
        and servers.selector.matches(pod.meta.labels)
    )


def _parsed(texts: tuple[str, ...]) -> Iterator[Cidr]:
    for text in texts:
        try:
            yield parse_address(text)
        except RangeError:
            continue
