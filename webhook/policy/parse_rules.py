"""Rules of Calico's own policies, read as Felix reads them; one that Felix rejects takes its policy with it."""

from __future__ import annotations

from webhook.policy.fields import Json, Manifest, integer, items, mapping
from webhook.policy.objects import Action, DefectKind, Direction, IcmpMatch, InvalidObject, Rule
from webhook.policy.parse_entity import read_entity
from webhook.policy.parse_meta import Notes
from webhook.policy.ranges import PROTOCOLS, PROTOCOLS_WITH_PORTS, RangeError, parse_protocol

_ACTIONS = {action.value: action for action in Action}
_ICMP = frozenset({PROTOCOLS["ICMP"], PROTOCOLS["ICMPv6"]})
_LAST_ICMP_TYPE = 254  # 255 is not assigned, and Linux does not match on it
_LAST_ICMP_CODE = 255
_PORT_FIELDS = tuple((side, field) for side in ("source", "destination") for field in ("ports", "notPorts"))


def read_rules(value: Json, direction: Direction, namespace: str, notes: Notes) -> tuple[Rule, ...]:
    field = f"spec.{direction.value.lower()}"
    return tuple(
        _read_rule(mapping(item, f"{field}[{at}]"), f"{field}[{at}]", direction, namespace, notes)
        for at, item in enumerate(items(value, field))
    )


def _read_rule(raw: Manifest, path: str, direction: Direction, namespace: str, notes: Notes) -> Rule:
    action = raw.get("action")
    if not isinstance(action, str) or action not in _ACTIONS:
        raise InvalidObject(f"{path}.action", f"expected one of {', '.join(_ACTIONS)}")
    protocol = _protocol(raw.get("protocol"), f"{path}.protocol", notes)
    rule = Rule(
        action=_ACTIONS[action],
        path=path,
        source=read_entity(raw.get("source"), f"{path}.source", namespace, protocol, notes),
        destination=read_entity(raw.get("destination"), f"{path}.destination", namespace, protocol, notes),
        protocol=protocol,
        not_protocol=_protocol(raw.get("notProtocol"), f"{path}.notProtocol", notes),
        icmp=_icmp(raw, "icmp", path, protocol, notes),
        not_icmp=_icmp(raw, "notICMP", path, protocol, notes),
        ip_version=_ip_version(raw.get("ipVersion"), f"{path}.ipVersion", notes),
        has_http=raw.get("http") is not None,
    )
    _check_ports(raw, path, protocol, notes)
    _check_services(rule, direction, notes)
    return rule


def _protocol(value: Json, path: str, notes: Notes) -> int | None:
    if value is None:
        return None
    try:
        return parse_protocol(value)
    except RangeError as error:
        message = f"{error}; Felix drops the whole policy"
        notes.add(DefectKind.PORT_SYNTAX, path, value if isinstance(value, str) else "", message, ignored=True)
        return None


def _check_ports(raw: Manifest, path: str, protocol: int | None, notes: Notes) -> None:
    if protocol is None or protocol in PROTOCOLS_WITH_PORTS:
        return
    for side, field in _PORT_FIELDS:
        if mapping(raw.get(side), f"{path}.{side}").get(field):
            message = "only TCP, UDP and SCTP have ports; with another protocol Felix drops the whole policy"
            notes.add(DefectKind.PORT_SYNTAX, f"{path}.{side}.{field}", "", message, ignored=True)


def _check_services(rule: Rule, direction: Direction, notes: Notes) -> None:
    ingress = direction is Direction.INGRESS
    for side, entity, allowed in (("source", rule.source, ingress), ("destination", rule.destination, not ingress)):
        if entity.service is not None and not allowed:
            message = "services stand in the source of an ingress rule or the destination of an egress rule"
            notes.add(DefectKind.RULE_SHAPE, f"{rule.path}.{side}.services", entity.service.name, message)


def _icmp(raw: Manifest, field: str, path: str, protocol: int | None, notes: Notes) -> IcmpMatch | None:
    place = f"{path}.{field}"
    value = mapping(raw.get(field), place)
    kind = integer(value.get("type"), f"{place}.type")
    code = integer(value.get("code"), f"{place}.code")
    for name, found, last in (("type", kind, _LAST_ICMP_TYPE), ("code", code, _LAST_ICMP_CODE)):
        if found is not None and not 0 <= found <= last:
            message = f"expected 0 to {last}; with another number Felix drops the whole policy"
            notes.add(DefectKind.RULE_SHAPE, f"{place}.{name}", "", message, ignored=True)
    if kind is None:
        if code is not None:
            notes.add(DefectKind.RULE_SHAPE, f"{place}.code", "", "without `type` Calico ignores the code")
        return None
    if protocol not in _ICMP:
        message = "needs `protocol: ICMP` or `ICMPv6`; without it the rule cannot be programmed"
        notes.add(DefectKind.RULE_SHAPE, place, "", message)
    return IcmpMatch(kind, code)


def _ip_version(value: Json, path: str, notes: Notes) -> int | None:
    version = integer(value, path)
    if version not in (None, 4, 6):
        notes.add(DefectKind.RULE_SHAPE, path, "", "expected 4 or 6; Felix drops the whole policy", ignored=True)
        return None
    return version
