"""Networks, ports and protocols: what is read, what is refused and why, and that the sets obey the laws of sets."""

import ipaddress
import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webhook.policy import intervals
from webhook.policy.ranges import (
    AddressSet,
    Cidr,
    NamedPort,
    PortRange,
    PortSet,
    ProtocolSet,
    RangeError,
    parse_address,
    parse_cidr,
    parse_port,
    parse_protocol,
)

NETWORKS = [
    ("0.0.0.0/0", 4, 0, 2**32 - 1),
    ("10.0.0.0/8", 4, 10 << 24, (11 << 24) - 1),
    ("203.0.113.9/32", 4, 0xCB007109, 0xCB007109),
    ("::/0", 6, 0, 2**128 - 1),
    ("fd00::/8", 6, 0xFD << 120, (0xFE << 120) - 1),
    ("FD00:0:0:0::/64", 6, 0xFD << 120, (0xFD << 120) + 2**64 - 1),
    ("1:2:3:4:5:6:7:8/128", 6, 0x00010002000300040005000600070008, 0x00010002000300040005000600070008),
    ("::1/128", 6, 1, 1),
    ("1::/16", 6, 1 << 112, (2 << 112) - 1),
    ("1:2:3:4:5:6:7::/112", 6, 0x0001000200030004000500060007 << 16, (0x0001000200030004000500060008 << 16) - 1),
    ("64:ff9b::10.0.0.0/104", 6, (0x64FF9B << 96) + (10 << 24), (0x64FF9B << 96) + (11 << 24) - 1),
    ("1:2:3:4:5:6:1.2.3.4/128", 6, (0x000100020003000400050006 << 32) + 0x01020304, None),
    ("::/96", 6, 0, 2**32 - 1),
]


@pytest.mark.parametrize(("text", "family", "low", "high"), NETWORKS)
def test_a_network_is_read(text: str, family: int, low: int, high: int | None) -> None:
    cidr = parse_cidr(text)
    assert (cidr.family, cidr.low, cidr.high) == (family, low, low if high is None else high)


NO_ADDRESS = "an address, such as 10.0.0.0 or fd00::, before the `/`"
ALPHABET = "a network of digits, dots, colons and one `/`"
OCTETS = "four numbers from 0 to 255 without leading zeros in an IPv4 address"
LENGTH4 = "a length from 0 to 32 without leading zeros after the `/`"
LENGTH6 = "a length from 0 to 128 without leading zeros after the `/`"
GROUPS = "groups of one to four hexadecimal digits in an IPv6 address"
EIGHT = "eight groups, or fewer and one `::`, in an IPv6 address"
MAPPED = "an IPv4 network in IPv4 form, not ::ffff:…, which readers take for different networks"
REFUSED = [
    ("", NO_ADDRESS),
    ("/8", NO_ADDRESS),
    ("x", ALPHABET),
    (" 10.0.0.0/8", ALPHABET),
    ("10.0.0.0/8 ", ALPHABET),
    ("10.0.0.0/8\n", ALPHABET),
    ("10.0.0.0/+8", ALPHABET),
    ("10.0.0.0/-8", ALPHABET),
    ("１0.0.0.0/8", ALPHABET),
    ("١0.0.0.0/8", ALPHABET),
    ("fe80::1%eth0/64", ALPHABET),
    ("10.0.0/8", NO_ADDRESS),
    ("10/8", NO_ADDRESS),
    ("10.0.0.0.0/8", NO_ADDRESS),
    ("10..0.0/8", NO_ADDRESS),
    ("0a.0.0.0/8", NO_ADDRESS),
    ("1000.0.0.0/8", NO_ADDRESS),
    ("010.0.0.0/8", OCTETS),
    ("10.00.0.0/8", OCTETS),
    ("256.0.0.0/8", OCTETS),
    ("10.0.0.0", "a length after the address, such as /32"),
    ("fd00::", "a length after the address, such as /128"),
    ("10.0.0.0/", LENGTH4),
    ("10.0.0.0/33", LENGTH4),
    ("10.0.0.0/08", LENGTH4),
    ("203.0.113.9/032", LENGTH4),
    ("10.0.0.0/00", LENGTH4),
    ("10.0.0.0/8/8", LENGTH4),
    ("10.0.0.0/255.0.0.0", LENGTH4),
    ("10.0.0.0/a", LENGTH4),
    ("10.0.0.0/1" + "0" * 5000, LENGTH4),
    ("fd00::/129", LENGTH6),
    ("fd00::/008", LENGTH6),
    ("fd00::/ffff::", LENGTH6),
    ("10.1.0.0/8", "a network without host bits, such as 10.0.0.0/8"),
    ("fd00::1/64", "a network without host bits, such as fd00::/64"),
    (":/0", GROUPS),
    (":::/0", GROUPS),
    ("1:2/16", EIGHT),
    ("1:2:3:4:5:6:7:8:9/16", EIGHT),
    ("1:2:3:4:5:6:7::8:9/16", EIGHT),
    ("1:2:3:4::5:6:7:8/128", EIGHT),
    ("1::2::3/16", GROUPS),
    (":1::/16", GROUPS),
    ("1::2:/16", GROUPS),
    ("12345::/16", GROUPS),
    ("1.2.3.4::/16", GROUPS),
    ("1.2.3.4:1::/16", GROUPS),
    ("::01.2.3.4/128", OCTETS),
    ("::1.2.3/128", NO_ADDRESS),
    ("::ffff:0.0.0.0/96", MAPPED),
    ("::ffff:10.0.0.1/128", MAPPED),
    ("::FFFF:a00:1/128", MAPPED),
    ("0:0:0:0:0:ffff:0:0/96", MAPPED),
    ("::ffff:0:0/0", MAPPED),
    ("::ffff:10.0.0.1", MAPPED),
]


@pytest.mark.parametrize(("text", "expected"), REFUSED)
def test_a_network_that_could_be_misread_is_refused(text: str, expected: str) -> None:
    with pytest.raises(RangeError) as caught:
        parse_cidr(text)
    assert caught.value.expected == expected
    assert caught.value.value == text
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 200


def test_the_message_shows_the_text_without_its_control_characters() -> None:
    with pytest.raises(RangeError) as caught:
        parse_cidr("10.0.0.0/8\n")
    assert str(caught.value) == f"expected {ALPHABET}: `10.0.0.0/8\\n`"


def test_host_bits_and_bare_addresses_are_read_only_when_asked_for() -> None:
    assert str(parse_cidr("10.1.2.3/8", allow_host_bits=True)) == "10.0.0.0/8"
    assert str(parse_cidr("fd00::7:1/112", allow_host_bits=True)) == "fd00::7:0/112"
    assert str(parse_cidr("10.1.2.3", allow_address=True)) == "10.1.2.3/32"
    assert parse_address("fd00::1") == parse_cidr("fd00::1/128")
    assert parse_address("10.1.2.3").is_address
    with pytest.raises(RangeError):
        parse_cidr("10.1.2.3/8", allow_address=True)
    with pytest.raises(RangeError):
        parse_cidr("10.1.2.3", allow_host_bits=True)
    with pytest.raises(RangeError):
        parse_address("10.1.2.3/32")


@settings(deadline=None)
@given(st.ip_addresses(), st.integers(0, 128))
def test_every_true_network_is_read_and_printed_back(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, length: int
) -> None:
    length = min(length, address.max_prefixlen)
    network = ipaddress.ip_network((address, length), strict=False)
    if isinstance(network, ipaddress.IPv6Network) and int(network.network_address) >> 32 == 0xFFFF:
        return
    cidr = parse_cidr(str(network))
    assert (cidr.low, cidr.high) == (int(network.network_address), int(network.broadcast_address))
    assert str(cidr) == str(network)
    assert parse_cidr(network.exploded) == cidr


@settings(deadline=None)
@given(st.text("0123456789.:/af", max_size=24))
def test_nothing_is_read_that_the_standard_library_refuses(text: str) -> None:
    try:
        cidr = parse_cidr(text)
    except RangeError:
        return
    network = ipaddress.ip_network(text)
    assert (cidr.low, cidr.high) == (int(network.network_address), int(network.broadcast_address))


PORTS: list[tuple[object, PortRange | NamedPort]] = [
    (53, PortRange(53, 53)),
    ("53", PortRange(53, 53)),
    ("0053", PortRange(53, 53)),
    (65535, PortRange(65535, 65535)),
    ("1000:2000", PortRange(1000, 2000)),
    ("53:53", PortRange(53, 53)),
    ("http", NamedPort("http")),
    ("-1", NamedPort("-1")),
    ("1.5", NamedPort("1.5")),
    ("80_b", NamedPort("80_b")),
    ("a" * 128, NamedPort("a" * 128)),
]


@pytest.mark.parametrize(("value", "port"), PORTS)
def test_a_port_is_read_as_calico_reads_it(value: object, port: PortRange | NamedPort) -> None:
    assert parse_port(value) == port


BOUNDS = "ports from 1 to 65535"
KIND = "a port: a number, a range such as 1000:2000, or a name"
NAME = KIND + " of A-Z a-z 0-9 _ . -"
BAD_PORTS: list[tuple[object, str]] = [
    (0, BOUNDS),
    ("0", BOUNDS),
    ("0:10", BOUNDS),
    (-1, BOUNDS),
    (65536, BOUNDS),
    ("65536", BOUNDS),
    ("1:65536", BOUNDS),
    ("9" * 5000, BOUNDS),
    (10**5000, BOUNDS),
    ("2000:1000", "a range whose first port is not above its last"),
    ("", NAME),
    ("1:", NAME),
    (":1", NAME),
    ("1:2:3", NAME),
    ("1-2\n", NAME),
    ("http ", NAME),
    ("a" * 129, NAME),
    ("٥٣", NAME),
    (53.0, KIND),
    (True, KIND),
    (None, KIND),
    ([[[53]]], KIND),
]


@pytest.mark.parametrize(("value", "expected"), BAD_PORTS, ids=range(len(BAD_PORTS)))
def test_a_port_that_calico_would_not_take_is_refused(value: object, expected: str) -> None:
    with pytest.raises(RangeError) as caught:
        parse_port(value)
    assert caught.value.expected == expected
    assert len(str(caught.value)) < 200


PROTOCOLS = [
    ("TCP", 6),
    ("tcp", 6),
    ("UDP", 17),
    ("ICMP", 1),
    ("icmpV6", 58),
    ("SCTP", 132),
    ("UDPLite", 136),
    (6, 6),
    ("006", 6),
    (255, 255),
]


@pytest.mark.parametrize(("value", "number"), PROTOCOLS)
def test_a_protocol_is_read(value: object, number: int) -> None:
    assert parse_protocol(value) == number


@pytest.mark.parametrize(
    "value", [0, "0", 256, "256", -1, "9" * 5000, "", "foo", "any", "TCP ", "ſctp", True, 6.0, None]
)
def test_what_is_no_protocol_is_refused(value: object) -> None:
    with pytest.raises(RangeError) as caught:
        parse_protocol(value)
    assert caught.value.expected == "a protocol from 1 to 255 or one of TCP, UDP, ICMP, ICMPv6, SCTP, UDPLite"


def test_the_aggregated_api_knows_one_spelling() -> None:
    assert [parse_protocol(name, exact_case=True) for name in ("TCP", "ICMPv6", "UDPLite", 6, "6")] == [
        6,
        58,
        136,
        6,
        6,
    ]
    for name in ("tcp", "Tcp", "ICMPV6", "udplite"):
        with pytest.raises(RangeError):
            parse_protocol(name, exact_case=True)


# A universe small enough to write every set out: eight addresses of each family.
V4, V6 = 10 << 24, 0xFD << 120
PLACES = [Cidr(4, V4 + n, 32) for n in range(8)] + [Cidr(6, V6 + n, 128) for n in range(8)]
MEMBERS = st.frozensets(st.integers(0, 15))
INTERVALS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5)).map(lambda pair: (pair[0], pair[0] + pair[1])))


def addresses(members: frozenset[int]) -> AddressSet:
    return AddressSet.from_cidrs(PLACES[member] for member in members)


def written_out(some: AddressSet) -> frozenset[int]:
    return frozenset(n for n, place in enumerate(PLACES) if some.contains(place))


@settings(deadline=None)
@given(MEMBERS, MEMBERS)
def test_address_sets_are_sets(one: frozenset[int], other: frozenset[int]) -> None:
    left, right = addresses(one), addresses(other)
    assert written_out(left) == one
    assert left.union(right) == addresses(one | other)
    assert left.intersection(right) == addresses(one & other)
    assert left.difference(right) == addresses(one - other)
    assert left.complement().complement() == left
    assert written_out(left.complement()) == frozenset(range(16)) - one
    assert left.covers(right) is (other <= one)
    assert left.overlaps(right) is bool(one & other)
    assert left.is_empty is (not one)
    assert left.first() == (PLACES[min(one)] if one else None)
    assert left.only(4).union(left.only(6)) == left
    assert AddressSet.from_cidrs(left.cidrs()) == left


@settings(deadline=None)
@given(MEMBERS)
def test_the_list_of_networks_is_the_shortest(members: frozenset[int]) -> None:
    own = [PLACES[member] for member in members]
    shortest = [
        *ipaddress.collapse_addresses(ipaddress.IPv4Network((c.low, 32)) for c in own if c.family == 4),
        *ipaddress.collapse_addresses(ipaddress.IPv6Network((c.low, 128)) for c in own if c.family == 6),
    ]
    assert [str(cidr) for cidr in addresses(members).cidrs()] == [str(network) for network in shortest]


def test_the_complement_of_a_network_reaches_both_ends() -> None:
    rest = AddressSet.from_cidrs([parse_cidr("10.0.0.0/8"), parse_cidr("8000::/1")]).complement()
    assert [str(cidr) for cidr in rest.cidrs()] == [
        "0.0.0.0/5",
        "8.0.0.0/7",
        "11.0.0.0/8",
        "12.0.0.0/6",
        "16.0.0.0/4",
        "32.0.0.0/3",
        "64.0.0.0/2",
        "128.0.0.0/1",
        "::/1",
    ]
    assert str(AddressSet.everything()) == "0.0.0.0/0, ::/0"
    assert AddressSet.everything().complement() == AddressSet()
    assert str(AddressSet()) == "no address"
    assert AddressSet.everything().contains(parse_cidr("fd00::/8"))
    assert not rest.contains(parse_cidr("10.0.0.0/7", allow_host_bits=True))


@settings(deadline=None)
@given(INTERVALS, INTERVALS)
def test_interval_arithmetic_agrees_with_sets_of_numbers(
    one: list[tuple[int, int]], other: list[tuple[int, int]]
) -> None:
    def numbers(pairs: intervals.Intervals) -> set[int]:
        return set(itertools.chain.from_iterable(range(low, high + 1) for low, high in pairs))

    left, right = intervals.merged(one), intervals.merged(other)
    universe = set(range(31))
    results = {
        intervals.union(left, right): numbers(tuple(one)) | numbers(tuple(other)),
        intervals.intersection(left, right): numbers(left) & numbers(right),
        intervals.difference(left, right): numbers(left) - numbers(right),
        intervals.complement(left, 30): universe - numbers(left),
    }
    for result, expected in results.items():
        assert numbers(result) == expected
        assert intervals.merged(result) == result
    for low, high in itertools.combinations(range(31), 2):
        assert intervals.contains(left, low, high) is (set(range(low, high + 1)) <= numbers(left))


NUMBERS = st.frozensets(st.sampled_from([0, 1, 2, 53, 54, 6, 17, 254, 255]))


@settings(deadline=None)
@given(NUMBERS, NUMBERS)
def test_port_and_protocol_sets_are_sets(one: frozenset[int], other: frozenset[int]) -> None:
    kinds: list[Any] = [PortSet, ProtocolSet]
    for kind in kinds:
        left, right = kind.of(one), kind.of(other)
        assert left.union(right) == kind.of(one | other)
        assert left.intersection(right) == kind.of(one & other)
        assert left.difference(right) == kind.of(one - other)
        assert left.complement() == kind.everything().difference(left)
        assert left.complement().complement() == left
        assert left.covers(right) is (other <= one)
        assert left.overlaps(right) is bool(one & other)
        assert left.is_empty is (not one)
        assert left.first() == (min(one) if one else None)
        assert [n for n in range(256) if left.contains(n)] == sorted(one)


def test_sets_print_themselves() -> None:
    assert str(PortSet.of([443, PortRange(80, 81), 82])) == "80:82, 443"
    assert str(PortSet()) == "no port"
    assert str(PortSet.everything()) == "0:65535"
    assert str(ProtocolSet.of([17, 6, 47])) == "TCP, UDP, 47"
    assert str(ProtocolSet()) == "no protocol"


def test_a_protocol_set_holds_nothing_above_255() -> None:
    with pytest.raises(RangeError):
        ProtocolSet.of([256])
