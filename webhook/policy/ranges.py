"""Ranges: the one door to sets of addresses, ports and protocols, and to their strict parsers."""

from webhook.policy.addresses import AddressSet, Cidr, Family, RangeError, parse_address, parse_cidr
from webhook.policy.ports import (
    LAST_PORT,
    PROTOCOLS,
    PROTOCOLS_WITH_PORTS,
    NamedPort,
    PortRange,
    PortSet,
    ProtocolSet,
    parse_port,
    parse_protocol,
    protocol_name,
)

__all__ = [
    "LAST_PORT",
    "PROTOCOLS",
    "PROTOCOLS_WITH_PORTS",
    "AddressSet",
    "Cidr",
    "Family",
    "NamedPort",
    "PortRange",
    "PortSet",
    "ProtocolSet",
    "RangeError",
    "parse_address",
    "parse_cidr",
    "parse_port",
    "parse_protocol",
    "protocol_name",
]
