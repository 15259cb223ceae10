"""Kubernetes NetworkPolicies, in force or staged, as Calico converts them: order 1000, tier default, only Allow."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy import joined
from webhook.policy.fields import Json, Manifest, child, integer, items, mapping, text, texts
from webhook.policy.objects import (
    KUBERNETES_POLICY_ORDER,
    TIER_DEFAULT,
    Action,
    DefectKind,
    Direction,
    Entity,
    EntityText,
    Policy,
    PolicyKind,
    Rule,
)
from webhook.policy.parse_calico import read_types, staged_action
from webhook.policy.parse_entity import noted_net, parse_joined, read_selector
from webhook.policy.parse_meta import Notes, read_meta, ref_of
from webhook.policy.parse_peers import (
    PlacedPeer,
    PortsByProtocol,
    add_port,
    pod_selector,
    pods_peer,
    port_protocol,
    rules_of,
)
from webhook.policy.ranges import PortRange, RangeError, parse_port
from webhook.policy.selectors import All, namespaced_policy_subject
from webhook.policy.selectors import parse as parse_selector

_UNBOUNDED = "Calico then drops the constraint, and any address matches"
_NO_EXCEPTION = "Calico drops this exception and all after it"
_PEERS = {Direction.INGRESS: "from", Direction.EGRESS: "to"}


def parse_kubernetes_policy(manifest: Manifest, *, namespace: str) -> Policy:
    """
    Read a NetworkPolicy of networking.k8s.io, or Calico's StagedKubernetesNetworkPolicy.

    Absent `policyTypes` are filled as the API server does: Ingress, and Egress when there are egress rules.
    """
    notes = Notes()
    staged = manifest.get("kind") == "StagedKubernetesNetworkPolicy"
    meta = read_meta(manifest, notes, namespace=namespace)
    spec = child(manifest, "spec", "")
    declared = read_types(spec.get("policyTypes"), "spec.policyTypes")
    has_egress = bool(items(spec.get("egress"), "spec.egress"))
    types = declared or frozenset({Direction.INGRESS, Direction.EGRESS} if has_egress else {Direction.INGRESS})
    rules = {d: tuple(_rules(spec, d, meta.namespace, notes)) for d in Direction}
    selector = pod_selector(spec.get("podSelector"), "spec.podSelector", notes)
    if read_selector(selector, "spec.podSelector", notes, drops_policy=False):
        subject = namespaced_policy_subject(meta.namespace, parse_selector(selector), None)
    else:
        subject = parse_joined(joined.namespaced_subject(meta.namespace, selector, ""), notes) or All()
    return Policy(
        ref=ref_of(manifest, meta),
        kind=PolicyKind.STAGED_KUBERNETES_NETWORK_POLICY if staged else PolicyKind.KUBERNETES_NETWORK_POLICY,
        meta=meta,
        tier=TIER_DEFAULT,
        order=KUBERNETES_POLICY_ORDER,
        order_declared=True,
        types=types,
        types_declared=bool(declared),
        subject=subject,
        ingress=rules[Direction.INGRESS] if Direction.INGRESS in types else (),
        egress=rules[Direction.EGRESS] if Direction.EGRESS in types else (),
        staged=staged,
        staged_action=staged_action(spec) if staged else "Set",
        ignored=notes.ignored,
        defects=notes.defects,
        selector_text=selector,
    )


def _rules(spec: Manifest, direction: Direction, namespace: str, notes: Notes) -> Iterator[Rule]:
    """Read the rules of one direction; one with a port that cannot be read is left out, as Calico does."""
    field = f"spec.{direction.value.lower()}"
    for at, item in enumerate(items(spec.get(direction.value.lower()), field)):
        path = f"{field}[{at}]"
        raw = mapping(item, path)
        peers = tuple(_peers(raw, _PEERS[direction], path, namespace, notes))
        ports = _ports(raw, path, notes)
        if ports is not None:
            yield from rules_of(Action.ALLOW, direction, peers, ports)


def _peers(raw: Manifest, field: str, path: str, namespace: str, notes: Notes) -> Iterator[PlacedPeer]:
    listed = items(raw.get(field), f"{path}.{field}")
    if not listed:
        yield path, Entity()
    for at, item in enumerate(listed):
        place = f"{path}.{field}[{at}]"
        peer = mapping(item, place)
        if peer.get("ipBlock") is not None:
            yield place, _block(mapping(peer["ipBlock"], f"{place}.ipBlock"), f"{place}.ipBlock", notes)
        else:
            yield place, pods_peer(peer.get("podSelector"), peer.get("namespaceSelector"), place, namespace, notes)


def _block(raw: Manifest, path: str, notes: Notes) -> Entity:
    """Read an ipBlock; when Calico cannot read `cidr` it drops the constraint, and with an `except` all later ones."""
    cidr = text(raw.get("cidr"), f"{path}.cidr")
    exceptions = texts(raw.get("except"), f"{path}.except")
    written = EntityText(nets=(cidr,), not_nets=exceptions)
    net = noted_net(cidr, f"{path}.cidr", notes, skipped=_UNBOUNDED, allow_address=False)
    if net is None:
        return Entity(text=written)
    excepted = []
    for at, exception in enumerate(exceptions):
        found = noted_net(exception, f"{path}.except[{at}]", notes, skipped=_NO_EXCEPTION, allow_address=False)
        if found is None:
            break
        excepted.append(found)
    return Entity(nets=(net,), not_nets=tuple(excepted), text=written)


def _ports(raw: Manifest, path: str, notes: Notes) -> PortsByProtocol | None:
    """Return None when a port cannot be read."""
    listed = items(raw.get("ports"), f"{path}.ports")
    if not listed:
        return {None: None}
    found: PortsByProtocol = {}
    readable = True
    for at, item in enumerate(listed):
        place = f"{path}.ports[{at}]"
        port = mapping(item, place)
        end = integer(port.get("endPort"), f"{place}.endPort")
        try:
            add_port(found, port_protocol(port.get("protocol")), _port(port.get("port"), end))
        except RangeError as error:
            notes.add(DefectKind.PORT_SYNTAX, place, "", f"{error}; Calico leaves the rule out")
            readable = False
    return found if readable else None


def _port(value: Json, end: int | None) -> PortRange | str | None:
    if value is None:
        return None
    port = parse_port(value)
    if end is None:
        return port if isinstance(port, PortRange) else port.name
    last = parse_port(end)
    if not isinstance(port, PortRange) or not isinstance(last, PortRange) or not port.low == port.high <= last.low:
        raise RangeError(value, "the number of a port, not above `endPort`")
    return PortRange(port.low, last.high)
