"""What Kubernetes' own policies have in common: label selectors, ports, and the rules that Calico makes of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from webhook.policy.fields import Json, Manifest, items, mapping, text, texts
from webhook.policy.objects import Action, DefectKind, Direction, Entity, EntityText, PortMatch, Rule
from webhook.policy.parse_entity import read_peer
from webhook.policy.parse_meta import Notes
from webhook.policy.ranges import PROTOCOLS_WITH_PORTS, PortRange, PortSet, RangeError, parse_protocol

ORCHESTRATOR = "projectcalico.org/orchestrator"
PODS_ONLY = f"{ORCHESTRATOR} == 'k8s'"
_KEY = re.compile(r"[A-Za-z0-9_./-]+")
_SETS = {"In": "in", "NotIn": "not in"}

# Ports of one rule by protocol number; None is any protocol, and no match any port.
PortsByProtocol = dict[int | None, PortMatch | None]
# A peer and where it stands in the manifest.
PlacedPeer = tuple[str, Entity]
_NAMES = {"selector": "podSelector"}


def pod_selector(value: Json, path: str, notes: Notes) -> str:
    """Return the text that Calico writes for a selector of pods; absent or empty is every pod."""
    return " && ".join([PODS_ONLY, *_requirements(mapping(value, path), path, notes)])


def namespace_selector(value: Json, path: str, notes: Notes) -> str:
    """Return the text that Calico writes for a selector of namespaces; nothing when absent."""
    if value is None:
        return ""
    raw = mapping(value, path)
    found = _requirements(raw, path, notes)
    if not raw.get("matchLabels") and not raw.get("matchExpressions"):
        return "all()"
    return " && ".join(found)


def _requirements(raw: Manifest, path: str, notes: Notes) -> list[str]:
    """Write the requirements as text without escaping, as Calico does: what cannot be a label is noted."""
    found = []
    for key, value in sorted(mapping(raw.get("matchLabels"), f"{path}.matchLabels").items()):
        place = f"{path}.matchLabels.{key}"
        found.append(f"{key} == '{_checked(key, text(value, place), place, notes)}'")
    for at, item in enumerate(items(raw.get("matchExpressions"), f"{path}.matchExpressions")):
        place = f"{path}.matchExpressions[{at}]"
        expression = mapping(item, place)
        key = text(expression.get("key"), f"{place}.key")
        operator = text(expression.get("operator"), f"{place}.operator")
        values = texts(expression.get("values"), f"{place}.values")
        for value in values or ("",):
            _checked(key, value, place, notes)
        listed = "', '".join(values)
        if operator in _SETS:
            found.append(f"{key} {_SETS[operator]} {{ '{listed}' }}")
        elif operator == "Exists":
            found.append(f"has({key})")
        elif operator == "DoesNotExist":
            found.append(f"! has({key})")
        else:
            message = "expected the operator In, NotIn, Exists or DoesNotExist; Calico leaves this requirement out"
            notes.add(DefectKind.SELECTOR_SYNTAX, f"{place}.operator", operator, message)
    return found


def _checked(key: str, value: str, path: str, notes: Notes) -> str:
    if not _KEY.fullmatch(key) or "'" in value:
        message = "expected a label key, and values without quotes, which Calico does not escape"
        notes.add(DefectKind.SELECTOR_SYNTAX, path, f"{key}: {value}", message)
    return value


def add_port(ports: PortsByProtocol, protocol: int, match: PortRange | str | None) -> None:
    """Add one port to those of its protocol; None is all ports, and then no other matters."""
    if protocol in ports and ports[protocol] is None:
        return
    known = ports.get(protocol) or PortMatch(PortSet())
    if match is None:
        ports[protocol] = None
    elif isinstance(match, str):
        ports[protocol] = PortMatch(known.numbers, (*known.names, match))
    else:
        ports[protocol] = PortMatch(known.numbers.union(PortSet.of([match])), known.names)


def port_protocol(value: Json) -> int:
    """
    Read the protocol beside a port.

    Raises:
        RangeError: also for a protocol that has no ports.
    """
    # TCP when absent, in Calico as in the API server.
    protocol = parse_protocol("TCP" if value is None else value)
    if protocol not in PROTOCOLS_WITH_PORTS:
        raise RangeError(value, "a protocol with ports: TCP, UDP or SCTP")
    return protocol


def pods_peer(pods: Json, namespaces: Json, path: str, namespace: str, notes: Notes) -> Entity:
    """Make a peer of a podSelector and a namespaceSelector; `namespace` is the policy's own, or empty."""
    written = EntityText(
        selector=pod_selector(pods, f"{path}.podSelector", notes),
        namespace_selector=namespace_selector(namespaces, f"{path}.namespaceSelector", notes) or None,
    )
    selector, not_selector = read_peer(written, namespace, path, notes, names=_NAMES)
    return Entity(selector=selector, not_selector=not_selector, text=written)


def rules_of(
    action: Action, direction: Direction, peers: Iterable[PlacedPeer], ports: PortsByProtocol
) -> Iterator[Rule]:
    """Make one rule a protocol and a peer, as Calico does."""
    placed = tuple(peers)
    for protocol in sorted(ports, key=lambda number: number or 0):
        for path, peer in placed:
            if direction is Direction.INGRESS:
                yield Rule(action, path, peer, Entity(ports=ports[protocol]), protocol)
            else:
                yield Rule(action, path, Entity(), replace(peer, ports=ports[protocol]), protocol)
