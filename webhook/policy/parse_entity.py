"""Entities: one side of a rule, its networks, ports and selectors, as Felix compiles them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from webhook.policy import joined
from webhook.policy.fields import Json, Manifest, items, mapping, text, texts
from webhook.policy.nets import read_net
from webhook.policy.objects import ANY_ENTITY, DefectKind, Entity, EntityText, PortMatch, ServiceMatch
from webhook.policy.parse_meta import Notes
from webhook.policy.ranges import Cidr, PortRange, PortSet, RangeError, parse_port
from webhook.policy.selectors import (
    NAMESPACE,
    Equal,
    Global,
    Not,
    Selector,
    SelectorError,
    conjunction,
    is_blank,
    leaves,
    literal_mentions_rewritten_text,
    parse,
    peer_namespaces,
    peer_service_accounts,
)

_DNS_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_DNS_NAME_LENGTH = 253
# Felix drops a policy with a port name that a container port could not have (typha/pkg/validator/v1, portName).
_PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*")
_PORT_NAME_LENGTH = 15

# Which part of a rule's entity says what, for kinds that call the fields otherwise.
Names = Mapping[str, str]
CALICO_NAMES: Names = {}


def read_selector(written: str, path: str, notes: Notes, *, drops_policy: bool, may_be_global: bool = False) -> bool:
    """
    Note what is wrong with one selector; say whether it means what it says.

    `drops_policy`: Felix treats the whole policy as missing when this clause does not parse.
    """
    if not written:
        return True
    if is_blank(written):
        message = "expected a selector, not blanks, which Calico reads differently in each place and Felix can exit on"
        notes.add(DefectKind.SELECTOR_BLANK, path, written, message)
        return False
    try:
        selector = parse(written)
    except SelectorError as error:
        notes.add(DefectKind.SELECTOR_SYNTAX, path, written, str(error), ignored=drops_policy)
        return False
    if any(isinstance(leaf, Global) for leaf in leaves(selector)) and not (may_be_global and written == "global()"):
        message = "`global()` means something only alone in the namespaceSelector of a rule; here it matches everything"
        if may_be_global:
            message = "`global()` must stand alone"
        notes.add(DefectKind.SELECTOR_GLOBAL, path, written, message)
    if literal_mentions_rewritten_text(selector):
        message = "`all()` or `global()` inside quotes: Calico replaces these words in the text, quotes or not"
        notes.add(DefectKind.SELECTOR_REWRITTEN, path, written, message)
        return False
    return True


def parse_joined(written: str, notes: Notes) -> Selector | None:
    """
    Parse what Calico has joined; None when there is nothing, or nothing that parses: Felix then drops the policy.

    The clause at fault has been noted already, or there would have been nothing to join as text.
    """
    if not written:
        return None
    try:
        return parse(written)
    except SelectorError:
        notes.ignored = True
        return None


def read_peer(
    written: EntityText, namespace: str, path: str, notes: Notes, *, names: Names = CALICO_NAMES
) -> tuple[Selector | None, Selector | None]:
    """
    Return the positive selector over endpoint labels, None for any peer, and what is left to negate.

    With a positive one, the notSelector has become part of it, as in Felix.
    """

    def place(field: str) -> str:
        return f"{path}.{names.get(field, field)}"

    checks = (
        ("selector", written.selector),
        ("notSelector", written.not_selector),
        ("namespaceSelector", written.namespace_selector),
        ("serviceAccounts.selector", written.service_account_selector),
    )
    straight = True
    for field, clause in checks:
        may_be_global = field == "namespaceSelector"
        straight &= read_selector(clause or "", place(field), notes, drops_policy=True, may_be_global=may_be_global)
    for at, name in enumerate(written.service_account_names):
        if len(name) > _DNS_NAME_LENGTH or not _DNS_NAME.fullmatch(name):
            where = f"{place('serviceAccounts.names')}[{at}]"
            notes.add(DefectKind.SERVICE_ACCOUNT_NAME, where, name, "expected the name of a ServiceAccount")
            straight = False
    if straight:
        try:
            return _peer(written, namespace)
        except SelectorError as error:
            # The prefix makes a label too long: the joined text does not parse.
            notes.add(DefectKind.SELECTOR_SYNTAX, place("namespaceSelector"), error.text, str(error), ignored=True)
            return None, None
    return _joined_peer(written, namespace, notes)


def _peer(written: EntityText, namespace: str) -> tuple[Selector | None, Selector | None]:
    clauses: list[Selector] = []
    if written.service_account_selector or written.service_account_names:
        chosen = parse(written.service_account_selector) if written.service_account_selector else None
        clauses.append(peer_service_accounts(chosen, frozenset(written.service_account_names)))
    if written.selector:
        clauses.append(parse(written.selector))
    if written.namespace_selector:
        clauses.insert(0, peer_namespaces(parse(written.namespace_selector)))
    elif namespace and (clauses or written.not_selector):
        clauses.insert(0, Equal(NAMESPACE, namespace))
    if not written.not_selector:
        return (conjunction(*clauses) if clauses else None), None
    negative = parse(written.not_selector)
    return (conjunction(*clauses, Not(negative)), None) if clauses else (None, negative)


def _joined_peer(written: EntityText, namespace: str, notes: Notes) -> tuple[Selector | None, Selector | None]:
    negative = written.not_selector or ""
    positive = joined.peer(
        namespace,
        written.namespace_selector or "",
        written.selector or "",
        negative,
        written.service_account_selector or "",
        written.service_account_names,
    )
    if positive and negative:
        return parse_joined(joined.without(positive, negative), notes), None
    return parse_joined(positive, notes), parse_joined(negative, notes)


def read_nets(
    value: Json, path: str, notes: Notes, *, skipped: str = "Calico skips this entry"
) -> tuple[tuple[str, ...], tuple[Cidr, ...]]:
    """Return the networks as written and those that Felix enforces."""
    if value is None:
        return (), ()
    written = texts(value, path)
    return written, tuple(
        net
        for at, entry in enumerate(written)
        if (net := noted_net(entry, f"{path}[{at}]", notes, skipped=skipped)) is not None
    )


def noted_net(
    entry: str, path: str, notes: Notes, *, skipped: str = "Calico skips this entry", allow_address: bool = True
) -> Cidr | None:
    """Read one network; `skipped` says what becomes of an entry that Calico cannot read."""
    net, wrong = read_net(entry, allow_address=allow_address)
    if wrong:
        becomes = skipped if net is None else f"Calico reads it as {net}"
        notes.add(DefectKind.NET_SYNTAX, path, entry, f"expected {wrong}; {becomes}")
    return net


def read_ports(value: Json, path: str, protocol: int | None, notes: Notes) -> PortMatch | None:
    """Return None for no constraint; `protocol` is the rule's, None for any."""
    listed = items(value, path)
    if not listed:
        return None
    numbers: list[PortRange] = []
    named: list[str] = []
    for at, item in enumerate(listed):
        place = f"{path}[{at}]"
        try:
            port = parse_port(item)
        except RangeError as error:
            notes.add(DefectKind.PORT_SYNTAX, place, item if isinstance(item, str) else "", str(error), ignored=True)
            continue
        if isinstance(port, PortRange):
            numbers.append(port)
        elif len(port.name) > _PORT_NAME_LENGTH or not _PORT_NAME.fullmatch(port.name):
            message = "no container port can have this name: 1 to 15 of a-z 0-9 -, at least one a letter"
            notes.add(DefectKind.PORT_SYNTAX, place, port.name, message, ignored=True)
        else:
            named.append(port.name)
    if numbers and protocol is None:
        message = "ports by number need `protocol` TCP, UDP or SCTP; without it Felix drops the whole policy"
        notes.add(DefectKind.PORT_SYNTAX, path, "", message, ignored=True)
    return PortMatch(PortSet.of(numbers), tuple(named))


def read_entity(value: Json, path: str, namespace: str, protocol: int | None, notes: Notes) -> Entity:
    """Read `source` or `destination` of a Calico rule; `namespace` is the policy's, empty for a global one."""
    raw = mapping(value, path)
    if not raw:
        return ANY_ENTITY
    accounts = mapping(raw.get("serviceAccounts"), f"{path}.serviceAccounts")
    nets_written, nets = read_nets(raw.get("nets"), f"{path}.nets", notes)
    not_nets_written, not_nets = read_nets(raw.get("notNets"), f"{path}.notNets", notes)
    if any(net.length == 0 for net in not_nets):
        message = "a range of all addresses: Felix leaves the whole rule out"
        notes.add(DefectKind.RULE_SHAPE, f"{path}.notNets", "", message)
    written = EntityText(
        selector=_optional(raw, "selector", path),
        not_selector=_optional(raw, "notSelector", path),
        namespace_selector=_optional(raw, "namespaceSelector", path),
        service_account_selector=_optional(accounts, "selector", f"{path}.serviceAccounts"),
        service_account_names=texts(accounts.get("names"), f"{path}.serviceAccounts.names"),
        nets=nets_written or None,
        not_nets=not_nets_written,
    )
    selector, not_selector = read_peer(written, namespace, path, notes)
    return Entity(
        selector=selector,
        not_selector=not_selector,
        nets=nets or None,
        not_nets=not_nets,
        ports=read_ports(raw.get("ports"), f"{path}.ports", protocol, notes),
        not_ports=read_ports(raw.get("notPorts"), f"{path}.notPorts", protocol, notes),
        service=_service(raw, path, notes),
        text=written,
    )


def _optional(raw: Manifest, key: str, path: str) -> str | None:
    """An empty string is no selector to Calico."""
    return text(raw.get(key), f"{path}.{key}") or None


def _service(raw: Manifest, path: str, notes: Notes) -> ServiceMatch | None:
    value = raw.get("services")
    if value is None:
        return None
    place = f"{path}.services"
    services = mapping(value, place)
    name = text(services.get("name"), f"{place}.name")
    if not name:
        message = "expected the name of a service; without one Calico ignores the clause"
        notes.add(DefectKind.RULE_SHAPE, place, "", message)
        return None
    beside = next((key for key in raw if key != "services" and raw[key]), None)
    if beside is not None:
        notes.add(DefectKind.RULE_SHAPE, place, name, f"stands alone, not beside `{beside}`")
    return ServiceMatch(name, text(services.get("namespace"), f"{place}.namespace"))
