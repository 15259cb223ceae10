"""Addresses: networks in CIDR form, read as strictly as Go reads them, and sets of addresses of both families."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from webhook.policy import intervals
from webhook.policy.intervals import Intervals

Family = Literal[4, 6]
BITS: dict[Family, int] = {4: 32, 6: 128}

# Explicit digits everywhere: \d also matches digits that are not ASCII.
_V4 = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})")
_GROUP = re.compile(r"[0-9A-Fa-f]{1,4}")
_LENGTH = re.compile(r"0|[1-9][0-9]{0,2}")
_ALPHABET = re.compile(r"[0-9A-Fa-f.:/]*")
_MAPPED = 0xFFFF  # the upper 96 bits of ::ffff:0:0/96


class RangeError(ValueError):
    """Raised when a text or number is not the network, port or protocol that was expected."""

    def __init__(self, value: object, expected: str) -> None:
        super().__init__(value, expected)
        self.value = value
        self.expected = expected

    def __str__(self) -> str:
        return f"expected {self.expected}: `{_shown(self.value)}`"


def _shown(value: object) -> str:
    """Show a value of any kind and size that JSON can bring, on one line."""
    if isinstance(value, str):
        text = ascii(value[:100])[1:-1]
    elif value is None or isinstance(value, bool | float) or (isinstance(value, int) and value.bit_length() <= 64):
        text = repr(value)
    else:
        text = f"some {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:79]}…"


@dataclass(frozen=True, slots=True, order=True)
class Cidr:
    """A network; `low` is its first address, as a number."""

    family: Family
    low: int
    length: int

    @property
    def high(self) -> int:
        return self.low | ((1 << (BITS[self.family] - self.length)) - 1)

    @property
    def is_address(self) -> bool:
        return self.length == BITS[self.family]

    @property
    def address(self) -> str:
        """The first address, without the length."""
        return str(IPv4Address(self.low) if self.family == 4 else IPv6Address(self.low))

    def __str__(self) -> str:
        return f"{self.address}/{self.length}"


def parse_cidr(text: str, *, allow_host_bits: bool = False, allow_address: bool = False) -> Cidr:
    """
    Read a network as Go's net.ParseCIDR would, and more strictly where readers differ.

    Refused though Go or Calico reads it: a length with leading zeros (`/032` is 32 to Calico), and every spelling of
    an address in ::ffff:0:0/96, which Calico takes for an IPv4 network and others for an IPv6 one. The aggregated API
    refuses an address without a length, and host bits set; raw v1 and native v3 objects may hold both, and Felix
    reads them as the host, and as the network. `allow_address` and `allow_host_bits` are for those.

    Raises:
        RangeError: with what was expected instead.
    """
    if not _ALPHABET.fullmatch(text):
        raise RangeError(text, "a network of digits, dots, colons and one `/`")
    address, slash, length_text = text.partition("/")
    family, low = _parse_address(text, address)
    if family == 6 and low >> 32 == _MAPPED:
        raise RangeError(text, "an IPv4 network in IPv4 form, not ::ffff:…, which readers take for different networks")
    if not slash:
        if not allow_address:
            raise RangeError(text, f"a length after the address, such as /{BITS[family]}")
        return Cidr(family, low, BITS[family])
    if not _LENGTH.fullmatch(length_text) or int(length_text) > BITS[family]:
        raise RangeError(text, f"a length from 0 to {BITS[family]} without leading zeros after the `/`")
    length = int(length_text)
    host_bits = low & ((1 << (BITS[family] - length)) - 1)
    network = Cidr(family, low - host_bits, length)
    if host_bits and not allow_host_bits:
        raise RangeError(text, f"a network without host bits, such as {network}")
    return network


def parse_address(text: str) -> Cidr:
    """Read one address, without a length; the network has the full length."""
    if "/" in text:
        raise RangeError(text, "an address without a length")
    return parse_cidr(text, allow_address=True)


def _parse_address(text: str, address: str) -> tuple[Family, int]:
    if ":" not in address:
        return 4, _parse_v4(text, address)
    # `::` stands for one group of zeros or more, once; the rest is 16-bit groups,
    # the last two of which may be written as an IPv4 address.
    head, ellipsis, tail = address.partition("::")
    before = _groups(text, head, last=not ellipsis)
    after = _groups(text, tail, last=True) if ellipsis else []
    missing = 8 - len(before) - len(after)
    if missing < 1 if ellipsis else missing != 0:
        raise RangeError(text, "eight groups, or fewer and one `::`, in an IPv6 address")
    value = 0
    for group in (*before, *([0] * missing), *after):
        value = value << 16 | group
    return 6, value


def _groups(text: str, part: str, *, last: bool) -> list[int]:
    if not part:
        return []
    words = part.split(":")
    dotted = words.pop() if last and "." in words[-1] else None
    if not all(map(_GROUP.fullmatch, words)):
        raise RangeError(text, "groups of one to four hexadecimal digits in an IPv6 address")
    groups = [int(word, 16) for word in words]
    if dotted is not None:
        embedded = _parse_v4(text, dotted)
        groups += (embedded >> 16, embedded & 0xFFFF)
    return groups


def _parse_v4(text: str, address: str) -> int:
    found = _V4.fullmatch(address)
    if found is None:
        raise RangeError(text, "an address, such as 10.0.0.0 or fd00::, before the `/`")
    value = 0
    for octet in found.groups():
        # Some readers take 010 for eight.
        if (octet[0] == "0" and len(octet) > 1) or int(octet) > 255:
            raise RangeError(text, "four numbers from 0 to 255 without leading zeros in an IPv4 address")
        value = value << 8 | int(octet)
    return value


@dataclass(frozen=True, slots=True)
class AddressSet:
    """Addresses of both families, as intervals in normal form; equal sets are equal values."""

    v4: Intervals = ()
    v6: Intervals = ()

    @classmethod
    def from_cidrs(cls, cidrs: Iterable[Cidr]) -> "AddressSet":
        v4: list[tuple[int, int]] = []
        v6: list[tuple[int, int]] = []
        for cidr in cidrs:
            (v4 if cidr.family == 4 else v6).append((cidr.low, cidr.high))
        return cls(intervals.merged(v4), intervals.merged(v6))

    @classmethod
    def everything(cls) -> "AddressSet":
        return _EVERYTHING

    def union(self, other: "AddressSet") -> "AddressSet":
        return AddressSet(intervals.union(self.v4, other.v4), intervals.union(self.v6, other.v6))

    def intersection(self, other: "AddressSet") -> "AddressSet":
        return AddressSet(intervals.intersection(self.v4, other.v4), intervals.intersection(self.v6, other.v6))

    def difference(self, other: "AddressSet") -> "AddressSet":
        return AddressSet(intervals.difference(self.v4, other.v4), intervals.difference(self.v6, other.v6))

    def complement(self) -> "AddressSet":
        return AddressSet(intervals.complement(self.v4, (1 << 32) - 1), intervals.complement(self.v6, (1 << 128) - 1))

    def contains(self, cidr: Cidr) -> bool:
        """Say whether all of the network, or the one address, is in the set."""
        return intervals.contains(self.v4 if cidr.family == 4 else self.v6, cidr.low, cidr.high)

    def covers(self, other: "AddressSet") -> bool:
        return other.difference(self).is_empty

    def overlaps(self, other: "AddressSet") -> bool:
        return not self.intersection(other).is_empty

    @property
    def is_empty(self) -> bool:
        return not self.v4 and not self.v6

    def only(self, family: Family) -> "AddressSet":
        return AddressSet(v4=self.v4) if family == 4 else AddressSet(v6=self.v6)

    def first(self) -> Cidr | None:
        """Return the lowest address, IPv4 before IPv6."""
        if self.v4:
            return Cidr(4, self.v4[0][0], 32)
        return Cidr(6, self.v6[0][0], 128) if self.v6 else None

    def cidrs(self) -> tuple[Cidr, ...]:
        """Return the shortest list of networks that make up the set, in order."""
        v4 = [cidr for low, high in self.v4 for cidr in _networks(4, low, high)]
        return (*v4, *(cidr for low, high in self.v6 for cidr in _networks(6, low, high)))

    def __str__(self) -> str:
        return ", ".join(map(str, self.cidrs())) or "no address"


_EVERYTHING = AddressSet(((0, (1 << 32) - 1),), ((0, (1 << 128) - 1),))


def _networks(family: Family, low: int, high: int) -> Iterable[Cidr]:
    while low <= high:
        # As large as the first address is aligned, and as the interval is long.
        aligned = (low & -low).bit_length() - 1 if low else BITS[family]
        size = min(aligned, (high - low + 1).bit_length() - 1)
        yield Cidr(family, low, BITS[family] - size)
        low += 1 << size
