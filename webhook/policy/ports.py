"""Ports and protocols: as Calico's `numorstring` values and its validator read them, and sets of them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from webhook.policy import intervals
from webhook.policy.addresses import RangeError
from webhook.policy.intervals import Intervals

LAST_PORT = 65535
PROTOCOLS = {"TCP": 6, "UDP": 17, "ICMP": 1, "ICMPv6": 58, "SCTP": 132, "UDPLite": 136}
PROTOCOLS_WITH_PORTS = frozenset({6, 17, 132})

_NUMBERS = re.compile(r"([0-9]+)(?::([0-9]+))?")
_DIGITS = re.compile(r"[0-9]+")
_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,128}")
_LOWER_CASE = {name.lower(): number for name, number in PROTOCOLS.items()}
_NAMES = {number: name for name, number in PROTOCOLS.items()}
_ALL_PROTOCOLS = (1 << 256) - 1


@dataclass(frozen=True, slots=True, order=True)
class PortRange:
    low: int
    high: int

    def __str__(self) -> str:
        return str(self.low) if self.low == self.high else f"{self.low}:{self.high}"


@dataclass(frozen=True, slots=True, order=True)
class NamedPort:
    """Which numbers it stands for, each endpoint's containers say for themselves."""

    name: str

    def __str__(self) -> str:
        return self.name


def parse_port(value: object) -> PortRange | NamedPort:
    """
    Read `53`, `"53"`, `"1000:2000"` or a name.

    As in Calico, only digits make a number (`"-1"` is a name) and leading zeros count for nothing (`"0053"` is 53).
    Port 0 is refused as the Go validator does: raw v1 and native v3 take it, and Felix then drops the whole policy.

    Raises:
        RangeError: with what was expected instead.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return _port_range(value, value, value)
    if not isinstance(value, str):
        raise RangeError(value, "a port: a number, a range such as 1000:2000, or a name")
    if numbers := _NUMBERS.fullmatch(value):
        low = _number(numbers[1])
        return _port_range(value, low, low if numbers[2] is None else _number(numbers[2]))
    if not _NAME.fullmatch(value):
        raise RangeError(value, "a port: a number, a range such as 1000:2000, or a name of A-Z a-z 0-9 _ . -")
    return NamedPort(value)


def _number(digits: str) -> int:
    # int() raises another error for a stranger's thousands of digits; a million stands for all that is too much.
    significant = digits.lstrip("0")
    return int(significant or "0") if len(significant) < 7 else 1_000_000


def _port_range(value: object, low: int, high: int) -> PortRange:
    if not (1 <= low <= LAST_PORT and 1 <= high <= LAST_PORT):
        raise RangeError(value, f"ports from 1 to {LAST_PORT}")
    if low > high:
        raise RangeError(value, "a range whose first port is not above its last")
    return PortRange(low, high)


def parse_protocol(value: object, *, exact_case: bool = False) -> int:
    """
    Read a protocol's name or its number, 1 to 255.

    The aggregated API knows one spelling of each name (`exact_case`); raw v1 and native v3 objects work in any case.

    Raises:
        RangeError: with what was expected instead; with such a protocol Felix drops the whole policy.
    """
    expected = f"a protocol from 1 to 255 or one of {', '.join(PROTOCOLS)}"
    if isinstance(value, int) and not isinstance(value, bool):
        number: int | None = value
    elif not isinstance(value, str):
        number = None
    elif _DIGITS.fullmatch(value):
        number = _number(value)
    else:
        number = PROTOCOLS.get(value) if exact_case else _LOWER_CASE.get(value.lower())
    if number is None or not 1 <= number <= 255:
        raise RangeError(value, expected)
    return number


def protocol_name(number: int) -> str:
    return _NAMES.get(number, str(number))


@dataclass(frozen=True, slots=True)
class PortSet:
    """Numbers from 0 to 65535, as intervals in normal form; equal sets are equal values."""

    ranges: Intervals = ()

    @classmethod
    def of(cls, ports: Iterable[PortRange | int]) -> "PortSet":
        pairs = ((port, port) if isinstance(port, int) else (port.low, port.high) for port in ports)
        return cls(intervals.merged(pairs))

    @classmethod
    def everything(cls) -> "PortSet":
        return _ALL_PORTS

    def union(self, other: "PortSet") -> "PortSet":
        return PortSet(intervals.union(self.ranges, other.ranges))

    def intersection(self, other: "PortSet") -> "PortSet":
        return PortSet(intervals.intersection(self.ranges, other.ranges))

    def difference(self, other: "PortSet") -> "PortSet":
        return PortSet(intervals.difference(self.ranges, other.ranges))

    def complement(self) -> "PortSet":
        return PortSet(intervals.complement(self.ranges, LAST_PORT))

    def contains(self, port: int) -> bool:
        return intervals.contains(self.ranges, port, port)

    def covers(self, other: "PortSet") -> bool:
        return other.difference(self).is_empty

    def overlaps(self, other: "PortSet") -> bool:
        return not self.intersection(other).is_empty

    @property
    def is_empty(self) -> bool:
        return not self.ranges

    def first(self) -> int | None:
        return self.ranges[0][0] if self.ranges else None

    def __str__(self) -> str:
        return ", ".join(str(PortRange(low, high)) for low, high in self.ranges) or "no port"


_ALL_PORTS = PortSet(((0, LAST_PORT),))


@dataclass(frozen=True, slots=True)
class ProtocolSet:
    """Protocols 0 to 255; bit n of `bits` is protocol n."""

    bits: int = 0

    @classmethod
    def of(cls, numbers: Iterable[int]) -> "ProtocolSet":
        bits = 0
        for number in numbers:
            if not 0 <= number <= 255:
                raise RangeError(number, "a protocol from 0 to 255")
            bits |= 1 << number
        return cls(bits)

    @classmethod
    def everything(cls) -> "ProtocolSet":
        return ProtocolSet(_ALL_PROTOCOLS)

    def union(self, other: "ProtocolSet") -> "ProtocolSet":
        return ProtocolSet(self.bits | other.bits)

    def intersection(self, other: "ProtocolSet") -> "ProtocolSet":
        return ProtocolSet(self.bits & other.bits)

    def difference(self, other: "ProtocolSet") -> "ProtocolSet":
        return ProtocolSet(self.bits & ~other.bits)

    def complement(self) -> "ProtocolSet":
        return ProtocolSet(_ALL_PROTOCOLS & ~self.bits)

    def contains(self, number: int) -> bool:
        return bool(self.bits >> number & 1)

    def covers(self, other: "ProtocolSet") -> bool:
        return not other.bits & ~self.bits

    def overlaps(self, other: "ProtocolSet") -> bool:
        return bool(self.bits & other.bits)

    @property
    def is_empty(self) -> bool:
        return not self.bits

    def first(self) -> int | None:
        return (self.bits & -self.bits).bit_length() - 1 if self.bits else None

    def numbers(self) -> tuple[int, ...]:
        return tuple(number for number in range(256) if self.contains(number))

    def __str__(self) -> str:
        return ", ".join(map(protocol_name, self.numbers())) or "no protocol"
