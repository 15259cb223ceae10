"""Boxes: the flows of one rule, or of one permission, between two kinds of endpoint, as products of conditions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from webhook.policy.intervals import Intervals
from webhook.policy.objects import ANY_ENTITY, Action, Direction, Entity, IcmpMatch, PortMatch, Rule, ServiceMatch
from webhook.policy.ranges import PROTOCOLS_WITH_PORTS, AddressSet, Family, PortSet
from webhook.policy.selectors import Not, Selector
from webhook.policy.undercut.peers import Kind, Peer, residual

ALL_PROTOCOLS = (1 << 256) - 1
TCP, UDP = 6, 17
ICMP_PROTOCOLS = 1 << 1 | 1 << 58
_ICMP_FAMILIES: dict[int, Family] = {1 << 1: 4, 1 << 58: 6}  # whose headers they are
ANY_ADDRESS = AddressSet.everything()
ANY_PORT = PortSet.everything()
NO_PORT = PortSet()
# Nothing listens on port 0, and no policy can name it to leave it out.
REAL_PORTS = PortSet(((1, 65_535),))
_WITH_PORTS = sum(1 << protocol for protocol in PROTOCOLS_WITH_PORTS)


@dataclass(frozen=True, slots=True)
class Region:
    """
    Flows that are still looked into: between one subject and one peer, all conditions hold at once.

    For ICMP the ports are type * 256 + code, which are as many as ports. `port_name` is the name that the container
    port has on the endpoint that receives; `service` the service whose endpoint the peer is. Conditions on labels
    are over what is not fixed of the endpoint. In one place, the conditions on a set are on the labels of
    the subject's own namespace.
    """

    peer: tuple[Selector, ...] = ()
    own: tuple[Selector, ...] = ()
    peer_addresses: AddressSet = ANY_ADDRESS
    own_addresses: AddressSet = ANY_ADDRESS
    protocols: int = ALL_PROTOCOLS
    ports: PortSet = ANY_PORT
    source_ports: PortSet = ANY_PORT
    port_name: str = ""
    source_port_name: str = ""
    service: ServiceMatch | None = None
    is_one_place: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether the sets alone leave nothing; both addresses of a flow are of one family, and two."""
        peer, own = self.peer_addresses, self.own_addresses
        return (
            not self.protocols
            or self.ports.is_empty
            or self.source_ports.is_empty
            or not (_are_two(peer.v4, own.v4) or _are_two(peer.v6, own.v6))
        )


def _are_two(one: Intervals, other: Intervals) -> bool:
    """Whether there is one address in each that is not the same."""
    if not one or not other:
        return False
    (low, high) = one[0]
    return len(one) > 1 or low != high or one != other


@dataclass(frozen=True, slots=True)
class Cover:
    """Flows that are settled: already decided by an earlier rule, or permitted. No condition is any."""

    peer: Selector | None = None
    own: Selector | None = None
    peer_addresses: AddressSet = ANY_ADDRESS
    own_addresses: AddressSet = ANY_ADDRESS
    protocols: int = ALL_PROTOCOLS
    ports: PortSet = ANY_PORT
    source_ports: PortSet = ANY_PORT
    port_names: tuple[str, ...] = ()
    source_port_names: tuple[str, ...] = ()
    named_ports: PortSet = ANY_PORT  # of an endpoint whose port has one of the names
    named_source_ports: PortSet = ANY_PORT
    named_protocol: int = 0
    not_port_names: tuple[str, ...] = ()
    not_source_port_names: tuple[str, ...] = ()
    service: ServiceMatch | None = None
    weight: int = 1  # the steps that a look at it takes


@dataclass(frozen=True, slots=True)
class Shape:
    """A rule seen from the endpoint it governs: `own` is that end's side, `peer` the other; sets are built once."""

    rule: Rule
    own: Entity
    peer: Entity
    own_addresses: AddressSet
    peer_addresses: AddressSet
    protocols: int
    ports: PortSet
    source_ports: PortSet
    named_protocol: int  # that of the ports which match by name

    @property
    def action(self) -> Action:
        return self.rule.action


def shape(rule: Rule, direction: Direction) -> Shape:
    own, peer = (rule.destination, rule.source) if direction is Direction.INGRESS else (rule.source, rule.destination)
    protocols = ALL_PROTOCOLS if rule.protocol is None else 1 << rule.protocol
    if rule.not_protocol is not None:
        protocols &= ~(1 << rule.not_protocol)
    ports, source_ports = _numbers(rule.destination), _numbers(rule.source)
    # Either form looks inside an ICMP header, so there must be one.
    if rule.icmp is not None:
        protocols &= ICMP_PROTOCOLS
        ports = ports.intersection(_icmp(rule.icmp))
    if rule.not_icmp is not None:
        protocols &= ICMP_PROTOCOLS
        ports = ports.difference(_icmp(rule.not_icmp))
    own_addresses, peer_addresses = _addresses(own, rule), _addresses(peer, rule)
    family = _ICMP_FAMILIES.get(protocols) if rule.icmp is not None or rule.not_icmp is not None else None
    if family is not None:
        own_addresses, peer_addresses = own_addresses.only(family), peer_addresses.only(family)
    return Shape(
        rule,
        own,
        peer,
        own_addresses,
        peer_addresses,
        protocols,
        ports,
        source_ports,
        1 << (TCP if rule.protocol is None else rule.protocol),
    )


def _addresses(entity: Entity, rule: Rule) -> AddressSet:
    found = ANY_ADDRESS if entity.nets is None else AddressSet.from_cidrs(entity.nets)
    if entity.not_nets:
        # A list without a range of a family keeps the rule out of that family (webhook.policy.matching).
        excluded = AddressSet.from_cidrs(entity.not_nets)
        found = found.difference(excluded)
        found = AddressSet(found.v4 if excluded.v4 else (), found.v6 if excluded.v6 else ())
    if rule.ip_version is not None:
        found = found.only(4 if rule.ip_version == 4 else 6)
    return found


def _numbers(entity: Entity) -> PortSet:
    """The numbers that match without any help from a name."""
    found = ANY_PORT if entity.ports is None else entity.ports.numbers
    return found if entity.not_ports is None else found.difference(entity.not_ports.numbers)


def _named_numbers(entity: Entity) -> PortSet:
    """The numbers that match for an endpoint whose port there has a name that matches."""
    return ANY_PORT if entity.not_ports is None else entity.not_ports.numbers.complement()


def _icmp(match: IcmpMatch) -> PortSet:
    if match.type is None:
        return ANY_PORT
    low = match.type * 256
    return PortSet(((low, low + 255),) if match.code is None else ((low + match.code, low + match.code),))


def _names(match: PortMatch | None) -> tuple[str, ...]:
    return match.names if match is not None else ()


def side(entity: Entity, endpoint: Peer) -> bool | tuple[Selector, ...]:
    """What an entity's selectors still ask of an endpoint: nothing can match, or these conditions."""
    if entity.selector is None and entity.not_selector is None:
        return ()
    conditions: list[Selector] = []
    if entity.selector is not None:
        # An address that nothing names is in no set of addresses.
        if endpoint.kind is Kind.OUTSIDE:
            return False
        left = residual(entity.selector, endpoint)
        if left is False:
            return False
        if left is not True:
            conditions.append(left)
    if entity.not_selector is not None and endpoint.kind is not Kind.OUTSIDE:
        left = residual(entity.not_selector, endpoint)
        if left is True:
            return False
        if left is not False:
            conditions.append(Not(left))
    return tuple(conditions)


def regions(
    seen: Shape,
    subject: Peer,
    peer: Peer,
    selected: tuple[Selector, ...],
    own_addresses: AddressSet,
    peer_addresses: AddressSet,
) -> Iterator[Region]:
    """The rule's flows between the two kinds of endpoint, from or to subjects that are selected."""
    own, other = side(seen.own, subject), side(seen.peer, peer)
    service = seen.peer.service or seen.own.service
    if isinstance(own, bool) or isinstance(other, bool) or (service is not None and not service.namespace):
        return
    rule = seen.rule
    has_ports = not seen.protocols & ~_WITH_PORTS
    base = Region(
        other,
        (*selected, *own),
        _common(seen.peer_addresses, peer_addresses),
        _common(seen.own_addresses, own_addresses),
        seen.protocols,
        seen.ports.intersection(REAL_PORTS) if has_ports else seen.ports,
        seen.source_ports,
        service=service,
        is_one_place=peer.labels is not None and peer.namespace == subject.namespace,
    )
    # Sets and strangers have no ports with names.
    peer_can = peer.kind in (Kind.POD, Kind.HOST)
    receiver_can = peer_can or seen.peer is rule.source
    sender_can = peer_can or seen.own is rule.source
    receivers = _with_names(base, rule.destination, seen.named_protocol) if receiver_can else (base,)
    for received in receivers:
        senders = _with_source_names(received, rule.source, seen.named_protocol) if sender_can else (received,)
        yield from (found for found in senders if not found.is_empty)


def _common(one: AddressSet, other: AddressSet) -> AddressSet:
    if one is ANY_ADDRESS or one is other:
        return other
    return one if other is ANY_ADDRESS else one.intersection(other)


def _with_names(base: Region, entity: Entity, protocol: int) -> Iterator[Region]:
    yield base
    for name in _names(entity.ports):
        if name not in _names(entity.not_ports):
            yield replace(base, ports=_named_numbers(entity), port_name=name, protocols=base.protocols & protocol)


def _with_source_names(base: Region, entity: Entity, protocol: int) -> Iterator[Region]:
    yield base
    for name in _names(entity.ports):
        if name not in _names(entity.not_ports):
            ports = _named_numbers(entity)
            yield replace(base, source_ports=ports, source_port_name=name, protocols=base.protocols & protocol)


def cover(seen: Shape, subject: Peer, peer: Peer) -> Cover | None:
    """What the rule settles between the two kinds of endpoint, whatever else is true of them; None is nothing."""
    own = side(seen.own, subject)
    other = side(seen.peer, peer)
    if own is False or other is False:
        return None
    assert not isinstance(own, bool)
    assert not isinstance(other, bool)
    service = seen.peer.service or seen.own.service
    if service is not None and not service.namespace:
        return None
    rule = seen.rule
    return Cover(
        _all(other),
        _all(own),
        seen.peer_addresses,
        seen.own_addresses,
        seen.protocols,
        seen.ports,
        seen.source_ports,
        _names(rule.destination.ports),
        _names(rule.source.ports),
        _named_numbers(rule.destination),
        _named_numbers(rule.source),
        seen.named_protocol,
        _names(rule.destination.not_ports),
        _names(rule.source.not_ports),
        service,
        1 + (_pieces(seen.peer_addresses) + _pieces(seen.own_addresses) + len(seen.ports.ranges)) // 8,
    )


def _pieces(addresses: AddressSet) -> int:
    return len(addresses.v4) + len(addresses.v6)


def _all(conditions: tuple[Selector, ...]) -> Selector | None:
    # An entity has a selector or a not-selector left to negate, never both.
    assert len(conditions) <= 1
    return conditions[0] if conditions else None


def is_unconstrained(entity: Entity) -> bool:
    """Whether an entity says nothing about who it is."""
    return replace(entity, text=ANY_ENTITY.text, ports=None, not_ports=None) == ANY_ENTITY
