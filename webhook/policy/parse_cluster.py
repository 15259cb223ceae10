"""Cluster-wide policies of policy.networking.k8s.io, as Calico converts them: v1alpha2, and v1alpha1 before 3.32."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy import joined
from webhook.policy.fields import Json, Manifest, child, items, mapping, number, text
from webhook.policy.objects import (
    Action,
    DefectKind,
    Direction,
    Entity,
    EntityText,
    InvalidObject,
    Policy,
    PolicyKind,
    Rule,
)
from webhook.policy.parse_entity import noted_net, parse_joined, read_peer, read_selector
from webhook.policy.parse_meta import Notes, read_meta, ref_of
from webhook.policy.parse_peers import (
    PlacedPeer,
    PortsByProtocol,
    add_port,
    namespace_selector,
    pod_selector,
    pods_peer,
    port_protocol,
    rules_of,
)
from webhook.policy.ranges import PortRange, RangeError, parse_port
from webhook.policy.selectors import All, Selector, SelectorError, global_policy_subject
from webhook.policy.selectors import parse as parse_selector

ADMIN_TIER, BASELINE_TIER = "kube-admin", "kube-baseline"
OLD_ADMIN_TIER, OLD_BASELINE_TIER = "adminnetworkpolicy", "baselineadminnetworkpolicy"
_TIERS = {"Admin": ADMIN_TIER, "Baseline": BASELINE_TIER}
_BASELINE_ORDER = 1_000.0  # there is only one of them, `default`
_ACTIONS = {"Accept": Action.ALLOW, "Allow": Action.ALLOW, "Deny": Action.DENY, "Pass": Action.PASS}
_KINDS = {
    "ClusterNetworkPolicy": PolicyKind.CLUSTER_NETWORK_POLICY,
    "AdminNetworkPolicy": PolicyKind.ADMIN_NETWORK_POLICY,
    "BaselineAdminNetworkPolicy": PolicyKind.BASELINE_ADMIN_NETWORK_POLICY,
}
_NOT_CONVERTED = "Calico leaves the rule out, or denies everything in its place"
_PEERS = {Direction.INGRESS: "from", Direction.EGRESS: "to"}


def parse_cluster_policy(manifest: Manifest) -> Policy:
    """Read a ClusterNetworkPolicy, AdminNetworkPolicy or BaselineAdminNetworkPolicy."""
    notes = Notes()
    kind = _KINDS[text(manifest.get("kind"), "kind")]
    meta = read_meta(manifest, notes, namespace=None)
    spec = child(manifest, "spec", "")
    tier, order = _place(spec, kind)
    rules = {d: tuple(_rules(spec, d, notes)) for d in Direction}
    selector, namespaces, subject = _subject(child(spec, "subject", "spec"), notes)
    return Policy(
        ref=ref_of(manifest, meta),
        kind=kind,
        meta=meta,
        tier=tier,
        order=order,
        order_declared=True,
        # The tiers pass by default, so a direction without rules is not governed.
        types=frozenset(d for d in Direction if rules[d]),
        types_declared=True,
        subject=subject,
        ingress=rules[Direction.INGRESS],
        egress=rules[Direction.EGRESS],
        ignored=notes.ignored,
        defects=notes.defects,
        selector_text=selector,
        namespace_selector_text=namespaces or None,
    )


def _place(spec: Manifest, kind: PolicyKind) -> tuple[str, float]:
    if kind is PolicyKind.BASELINE_ADMIN_NETWORK_POLICY:
        return OLD_BASELINE_TIER, _BASELINE_ORDER
    priority = number(spec.get("priority"), "spec.priority") or 0.0
    if kind is PolicyKind.ADMIN_NETWORK_POLICY:
        return OLD_ADMIN_TIER, priority
    tier = text(spec.get("tier"), "spec.tier")
    if tier not in _TIERS:
        raise InvalidObject("spec.tier", f"expected one of {', '.join(_TIERS)}")
    return _TIERS[tier], priority


def _subject(raw: Manifest, notes: Notes) -> tuple[str, str, Selector]:
    """Return the texts that Calico makes of the subject, and the endpoints that it is about."""
    if raw.get("namespaces") is not None:
        selector = pod_selector(None, "spec.subject", notes)
        namespaces = namespace_selector(raw["namespaces"], "spec.subject.namespaces", notes)
    elif raw.get("pods") is not None:
        pods = mapping(raw["pods"], "spec.subject.pods")
        selector = pod_selector(pods.get("podSelector"), "spec.subject.pods.podSelector", notes)
        every = pods.get("namespaceSelector") or {}
        namespaces = namespace_selector(every, "spec.subject.pods.namespaceSelector", notes)
    else:
        raise InvalidObject("spec.subject", "expected `namespaces` or `pods`")
    straight = read_selector(selector, "spec.subject.pods.podSelector", notes, drops_policy=False)
    straight &= read_selector(namespaces, "spec.subject.namespaces", notes, drops_policy=False)
    if straight:
        try:
            chosen = parse_selector(namespaces) if namespaces else None
            return selector, namespaces, global_policy_subject(parse_selector(selector), chosen, None)
        except SelectorError as error:
            notes.add(DefectKind.SELECTOR_SYNTAX, "spec.subject", error.text, str(error), ignored=True)
            return selector, namespaces, All()
    found = parse_joined(joined.global_subject(selector, namespaces, ""), notes)
    return selector, namespaces, found or All()


def _rules(spec: Manifest, direction: Direction, notes: Notes) -> Iterator[Rule]:
    """
    Read the rules of one direction.

    One that Calico cannot convert it leaves out when it allows, and replaces by one that denies everything else.
    """
    field = f"spec.{direction.value.lower()}"
    for at, item in enumerate(items(spec.get(direction.value.lower()), field)):
        path = f"{field}[{at}]"
        raw = mapping(item, path)
        written = raw.get("action")
        if not isinstance(written, str) or written not in _ACTIONS:
            raise InvalidObject(f"{path}.action", f"expected one of {', '.join(_ACTIONS)}")
        action = _ACTIONS[written]
        peers = _peers(raw, direction, path, notes)
        ports = _ports(raw, path, action, notes)
        if peers is not None and ports is not None:
            yield from rules_of(action, direction, peers, ports)
        elif action is not Action.ALLOW:
            yield Rule(Action.DENY, path)


def _peers(raw: Manifest, direction: Direction, path: str, notes: Notes) -> list[PlacedPeer] | None:
    field = _PEERS[direction]
    found: list[PlacedPeer] = []
    readable = True
    for at, item in enumerate(items(raw.get(field), f"{path}.{field}")):
        place = f"{path}.{field}[{at}]"
        peer = _peer(mapping(item, place), direction, place, notes)
        if peer is None:
            readable = False
        else:
            found.append((place, peer))
    return found if readable else None


def _peer(raw: Manifest, direction: Direction, path: str, notes: Notes) -> Entity | None:
    """Return None for a peer that Calico cannot convert."""
    if raw.get("pods") is not None:
        pods = mapping(raw["pods"], f"{path}.pods")
        every = pods.get("namespaceSelector") or {}
        return pods_peer(pods.get("podSelector"), every, f"{path}.pods", "", notes)
    if raw.get("namespaces") is not None:
        # No orchestrator clause here: network sets of these namespaces are peers too.
        written = EntityText(
            namespace_selector=namespace_selector(raw["namespaces"], f"{path}.namespaces", notes) or None
        )
        names = {"namespaceSelector": "namespaces"}
        selector, not_selector = read_peer(written, "", path, notes, names=names)
        return Entity(selector=selector, not_selector=not_selector, text=written)
    networks = items(raw.get("networks"), f"{path}.networks") if direction is Direction.EGRESS else ()
    if not networks:
        message = "expected `namespaces`, `pods` or, for egress, `networks`: Calico knows no other peer"
        notes.add(DefectKind.RULE_SHAPE, path, "", message)
        return None
    return _networks(networks, f"{path}.networks", notes)


def _networks(listed: Json, path: str, notes: Notes) -> Entity | None:
    written = tuple(text(item, f"{path}[{at}]") for at, item in enumerate(listed))
    nets = [
        noted_net(entry, f"{path}[{at}]", notes, skipped=_NOT_CONVERTED, allow_address=False)
        for at, entry in enumerate(written)
    ]
    found = tuple(net for net in nets if net is not None)
    return Entity(nets=found, text=EntityText(nets=written)) if len(found) == len(nets) else None


def _ports(raw: Manifest, path: str, action: Action, notes: Notes) -> PortsByProtocol | None:
    """Return None when Calico cannot convert one; `protocols` is v1alpha2, `ports` is v1alpha1."""
    found: PortsByProtocol = {}
    readable = True
    for field, read in (("protocols", _protocol), ("ports", _old_port)):
        for at, item in enumerate(items(raw.get(field), f"{path}.{field}")):
            place = f"{path}.{field}[{at}]"
            try:
                protocol, port = read(mapping(item, place), place, action, notes)
            except RangeError as error:
                notes.add(DefectKind.PORT_SYNTAX, place, "", f"{error}; Calico cannot convert the rule")
                readable = False
                continue
            if protocol is None:
                # An entry that says nothing is all protocols.
                return {None: None}
            add_port(found, protocol, port)
    return (found or {None: None}) if readable else None


ReadPort = tuple[int | None, PortRange | str | None]


def _protocol(raw: Manifest, path: str, action: Action, notes: Notes) -> ReadPort:
    for name in ("tcp", "udp", "sctp"):
        if raw.get(name) is not None:
            place = f"{path}.{name}"
            return port_protocol(name), _port(child(mapping(raw[name], place), "destinationPort", place))
    named = text(raw.get("destinationNamedPort"), f"{path}.destinationNamedPort")
    if not named:
        return None, None
    # Calico 3.32 cannot convert it. A later one may: then an Accept would open these ports.
    message = "named ports are not converted by every version of Calico"
    notes.add(DefectKind.RULE_SHAPE, f"{path}.destinationNamedPort", named, message)
    if action is not Action.ALLOW:
        raise RangeError(named, "a port by number")
    return port_protocol("TCP"), named


def _old_port(raw: Manifest, path: str, action: Action, notes: Notes) -> ReadPort:
    if raw.get("portNumber") is not None:
        single = child(raw, "portNumber", path)
        return port_protocol(single.get("protocol")), _number(single.get("port"))
    if raw.get("portRange") is not None:
        wide = child(raw, "portRange", path)
        return port_protocol(wide.get("protocol")), _range(wide)
    named = text(raw.get("namedPort"), f"{path}.namedPort")
    return (port_protocol("TCP"), named) if named else (None, None)


def _port(raw: Manifest) -> PortRange | None:
    if raw.get("number"):
        return _number(raw["number"])
    if raw.get("range") is None:
        return None
    return _range(mapping(raw["range"], "range"))


def _number(value: Json) -> PortRange:
    port = parse_port(value)
    if not isinstance(port, PortRange) or port.low != port.high:
        raise RangeError(value, "the number of a port")
    return port


def _range(raw: Manifest) -> PortRange:
    first, last = _number(raw.get("start")), _number(raw.get("end"))
    if first.low > last.low:
        raise RangeError(raw.get("start"), "a first port that is not above the last")
    return PortRange(first.low, last.low)
