"""Nets: what Calico makes of an entry of a list of networks, also when our strict parser refuses it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import AddressValueError, IPv6Address

from webhook.policy.ranges import Cidr, RangeError, parse_cidr

_MAPPED_BITS = 96  # ::ffff:0:0/96 holds the IPv4 addresses
_IPV6 = re.compile(r"[0-9A-Fa-f:.]+")
_LENGTH = re.compile(r"0*([0-9]{1,3})")


def read_net(text: str, *, allow_address: bool = True) -> tuple[Cidr | None, str]:
    """
    Return the network Felix enforces, and what is wrong with the text ("" when nothing is).

    None is an entry that Calico skips. Host bits and a missing length are not wrong: Felix reads them as the network
    and as the host. A Kubernetes ipBlock must have its length: `allow_address` is then False.
    """
    try:
        return parse_cidr(text, allow_host_bits=True, allow_address=allow_address), ""
    except RangeError as error:
        return _as_go_reads(text, allow_address=allow_address), error.expected


def nets_in_force(texts: Iterable[str]) -> tuple[Cidr, ...]:
    """Return the networks of a list that Felix enforces."""
    return tuple(net for net, _ in map(read_net, texts) if net is not None)


def _as_go_reads(text: str, *, allow_address: bool) -> Cidr | None:
    address, slash, length_text = text.partition("/")
    if slash:
        found = _LENGTH.fullmatch(length_text)
        if found is None:
            return None
        # Go reads /032 as /32.
        length = int(found[1])
        try:
            return parse_cidr(f"{address}/{length}", allow_host_bits=True)
        except RangeError:
            pass
    elif allow_address:
        length = 128
    else:
        return None
    return _mapped(address, length) if length <= 128 else None


def _mapped(address: str, length: int) -> Cidr | None:
    """Read an address in ::ffff:0:0/96; once masked, Go takes what is still in there for IPv4."""
    if not _IPV6.fullmatch(address):
        return None
    try:
        parsed = IPv6Address(address)
    except AddressValueError:
        return None
    if parsed.ipv4_mapped is None:
        return None
    if length >= _MAPPED_BITS:
        bits = length - _MAPPED_BITS
        return Cidr(4, int(parsed.ipv4_mapped) >> (32 - bits) << (32 - bits), bits)
    return Cidr(6, int(parsed) >> (128 - length) << (128 - length), length)
