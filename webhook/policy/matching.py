"""Matching: whether one rule matches one packet, address by address, as the dataplane's IP sets do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from webhook.policy.endpoints import Peer, PodRef
from webhook.policy.nets import nets_in_force
from webhook.policy.objects import Entity, IcmpMatch, PortMatch, Rule, ServiceMatch
from webhook.policy.ranges import PROTOCOLS, PROTOCOLS_WITH_PORTS, Cidr, Family
from webhook.policy.world import World

_Endpoints = tuple[frozenset[Cidr], frozenset[tuple[Cidr, int, int]]]
_ICMP_OF: dict[Family, int] = {4: PROTOCOLS["ICMP"], 6: PROTOCOLS["ICMPv6"]}


@dataclass(frozen=True, slots=True)
class End:
    """One end of a packet: the pod, if it is one, the address, and all that selectors can find at it."""

    pod: PodRef | None
    address: Cidr | None
    peers: tuple[Peer, ...]


@dataclass(frozen=True, slots=True)
class Packet:
    """The first packet of a flow."""

    source: End
    destination: End
    family: Family
    protocol: int
    source_port: int
    port: int
    icmp: tuple[int, int] | None


class Matcher:
    """Matches rules in one world, whose services it knows."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._services: dict[tuple[str, str], _Endpoints] = {}

    def matches(self, rule: Rule, packet: Packet) -> bool:
        if rule.ip_version not in (None, packet.family):
            return False
        if rule.protocol not in (None, packet.protocol) or rule.not_protocol == packet.protocol:
            return False
        if not _icmp(rule, packet):
            return False
        return self._entity(rule, rule.source, packet, packet.source, packet.source_port) and self._entity(
            rule, rule.destination, packet, packet.destination, packet.port
        )

    def _entity(self, rule: Rule, entity: Entity, packet: Packet, end: End, port: int) -> bool:
        return (
            _nets(entity, packet.family, end.address)
            and _selectors(entity, end.peers)
            and (entity.ports is None or self._ports(rule, entity, entity.ports, packet, end, port))
            and (entity.not_ports is None or not self._ports(rule, entity, entity.not_ports, packet, end, port))
            and (entity.service is None or self._service(entity.service, packet, end))
        )

    def _ports(self, rule: Rule, entity: Entity, match: PortMatch, packet: Packet, end: End, port: int) -> bool:
        if packet.protocol in PROTOCOLS_WITH_PORTS and match.numbers.contains(port):
            return True
        # A named port is an IP set of address, protocol and number; the protocol is TCP unless the rule says another.
        if not match.names or packet.protocol != (rule.protocol or PROTOCOLS["TCP"]):
            return False
        return any(
            named.name in match.names and named.protocol == packet.protocol and named.port == port
            for peer in end.peers
            if entity.selector is None or entity.selector.matches(peer.labels)
            for named in peer.named_ports
        )

    def _service(self, service: ServiceMatch, packet: Packet, end: End) -> bool:
        """A service in a destination is its addresses with their ports, in a source its addresses alone."""
        addresses, ports = self._endpoints(service.namespace, service.name)
        if end is packet.destination:
            return (end.address, packet.protocol, packet.port) in ports
        return end.address in addresses

    def _endpoints(self, namespace: str, name: str) -> _Endpoints:
        known = self._services.get((namespace, name))
        if known is None:
            found = self._world.services.get((namespace, name))
            ports = frozenset(
                (net, protocol, port)
                for address, protocol, port in (found.endpoints if found else ())
                for net in nets_in_force([address])
            )
            known = self._services[namespace, name] = frozenset(net for net, _, _ in ports), ports
        return known


def _icmp(rule: Rule, packet: Packet) -> bool:
    for match, wanted in ((rule.icmp, True), (rule.not_icmp, False)):
        if match is None:
            continue
        # Either form looks inside an ICMP header, so there must be one.
        if packet.icmp is None or packet.protocol != _ICMP_OF[packet.family] or _is_icmp(match, packet.icmp) != wanted:
            return False
    return True


def _is_icmp(match: IcmpMatch, icmp: tuple[int, int]) -> bool:
    return match.type in (None, icmp[0]) and match.code in (None, icmp[1])


def _selectors(entity: Entity, peers: Sequence[Peer]) -> bool:
    """Any one peer at the address decides: an IP set holds addresses, not endpoints."""
    if entity.selector is not None and not any(entity.selector.matches(peer.labels) for peer in peers):
        return False
    return entity.not_selector is None or not any(entity.not_selector.matches(peer.labels) for peer in peers)


def _nets(entity: Entity, family: Family, address: Cidr | None) -> bool:
    """
    Say whether the ranges let the address match.

    A list with no range of the packet's family keeps the whole rule out of that family, notNets as well as nets
    (felix/rules/policy.go, FilterRuleToIPVersion).
    """
    if entity.nets is not None and not _in(entity.nets, address):
        return False
    if not entity.not_nets:
        return True
    return any(net.family == family for net in entity.not_nets) and not _in(entity.not_nets, address)


def _in(nets: Sequence[Cidr], address: Cidr | None) -> bool:
    return address is not None and any(
        net.family == address.family and net.low <= address.low <= net.high for net in nets
    )
