"""Calico's own kinds, in both of its API groups: policies, staged policies, tiers, network sets, host endpoints."""

from __future__ import annotations

from enum import Enum

from webhook.policy import joined
from webhook.policy.fields import Json, Manifest, child, flag, items, mapping, number, text, texts
from webhook.policy.objects import (
    DEFAULT_TIER_ORDER,
    NO_ORDER,
    TIER_DEFAULT,
    Action,
    DefectKind,
    Direction,
    HostEndpoint,
    InvalidObject,
    NamedPort,
    NetworkSet,
    Policy,
    PolicyKind,
    Tier,
)
from webhook.policy.parse_entity import noted_net, parse_joined, read_nets, read_selector
from webhook.policy.parse_meta import CALICO_V1, Notes, api_version, read_meta, ref_of
from webhook.policy.parse_rules import read_rules
from webhook.policy.ranges import LAST_PORT, PROTOCOLS_WITH_PORTS, RangeError, parse_protocol
from webhook.policy.selectors import All, Selector, SelectorError, global_policy_subject, namespaced_policy_subject
from webhook.policy.selectors import parse as parse_selector

BOTH = frozenset(Direction)
_TYPES = {direction.value: direction for direction in Direction}
_SET_MISSING = "Felix exits on it, or takes the set for missing"
_STAGED_ACTIONS = ("Set", "Learn", "Ignore", "Delete")
_KINDS = {
    "NetworkPolicy": PolicyKind.NETWORK_POLICY,
    "GlobalNetworkPolicy": PolicyKind.GLOBAL_NETWORK_POLICY,
    "StagedNetworkPolicy": PolicyKind.STAGED_NETWORK_POLICY,
    "StagedGlobalNetworkPolicy": PolicyKind.STAGED_GLOBAL_NETWORK_POLICY,
}
_STAGED = frozenset({PolicyKind.STAGED_NETWORK_POLICY, PolicyKind.STAGED_GLOBAL_NETWORK_POLICY})
_NAMESPACED = frozenset({PolicyKind.NETWORK_POLICY, PolicyKind.STAGED_NETWORK_POLICY})


class Defaulting(Enum):
    """Who fills in absent `types` of a projectcalico.org/v3 policy; EITHER when that is not known."""

    AGGREGATED = "aggregated"  # calicoctl and calico-apiserver: a direction counts when it has rules
    NATIVE = "native"  # Calico's mutating policy: a direction counts when its field is there
    EITHER = "either"


def parse_calico_policy(manifest: Manifest, *, namespace: str, defaulting: Defaulting) -> Policy:
    """
    Read a NetworkPolicy or GlobalNetworkPolicy of Calico, staged or not.

    Absent `types` of a v3 policy under EITHER are all that one of the two ways would set: an empty direction more
    can only close, and the rules in force are the same in both.
    """
    notes = Notes()
    kind = _KINDS[text(manifest.get("kind"), "kind")]
    meta = read_meta(manifest, notes, namespace=namespace if kind in _NAMESPACED else None)
    spec = child(manifest, "spec", "")
    types, declared = _types(spec, api_version(manifest), defaulting)
    order = number(spec.get("order"), "spec.order")
    ingress, egress = (read_rules(spec.get(d.value.lower()), d, meta.namespace, notes) for d in Direction)
    written = {key: text(spec.get(key), f"spec.{key}") for key in _SELECTORS}
    subject = _subject(written, kind in _NAMESPACED, meta.namespace, notes)
    return Policy(
        ref=ref_of(manifest, meta),
        kind=kind,
        meta=meta,
        tier=text(spec.get("tier"), "spec.tier") or TIER_DEFAULT,
        order=NO_ORDER if order is None else order,
        order_declared=order is not None,
        types=types,
        types_declared=declared,
        subject=subject,
        ingress=ingress if Direction.INGRESS in types else (),
        egress=egress if Direction.EGRESS in types else (),
        staged=kind in _STAGED,
        staged_action=staged_action(spec),
        host_only=flag(spec.get("doNotTrack"), "spec.doNotTrack") or flag(spec.get("preDNAT"), "spec.preDNAT"),
        apply_on_forward=flag(spec.get("applyOnForward"), "spec.applyOnForward"),
        ignored=notes.ignored,
        defects=notes.defects,
        selector_text=written["selector"] or None,
        namespace_selector_text=written["namespaceSelector"] or None,
        service_account_selector_text=written["serviceAccountSelector"] or None,
    )


_SELECTORS = ("selector", "namespaceSelector", "serviceAccountSelector")


def staged_action(spec: Manifest) -> str:
    action = text(spec.get("stagedAction"), "spec.stagedAction") or "Set"
    if action not in _STAGED_ACTIONS:
        raise InvalidObject("spec.stagedAction", f"expected one of {', '.join(_STAGED_ACTIONS)}")
    return action


def read_types(value: Json, path: str) -> frozenset[Direction]:
    found = set()
    for at, item in enumerate(texts(value, path)):
        if item not in _TYPES:
            raise InvalidObject(f"{path}[{at}]", f"expected one of {', '.join(_TYPES)}")
        found.add(_TYPES[item])
    return frozenset(found)


def _types(spec: Manifest, version: str, defaulting: Defaulting) -> tuple[frozenset[Direction], bool]:
    declared = read_types(spec.get("types"), "spec.types")
    if declared:
        return declared, True
    if version == CALICO_V1:
        return BOTH, False
    ingress, egress = Direction.INGRESS, Direction.EGRESS
    # len() for calicoctl and the aggregated API, has() for the native one.
    has_rules = frozenset(d for d in Direction if items(spec.get(d.value.lower()), f"spec.{d.value.lower()}"))
    is_there = frozenset(d for d in Direction if spec.get(d.value.lower()) is not None)
    filled = frozenset({egress}) if has_rules == {egress} else has_rules | {ingress}
    native = frozenset({egress}) if is_there == {egress} else is_there | {ingress}
    match defaulting:
        case Defaulting.AGGREGATED:
            return filled, False
        case Defaulting.NATIVE:
            return native, False
        case Defaulting.EITHER:
            return filled | native, False


def _subject(written: dict[str, str], is_namespaced: bool, namespace: str, notes: Notes) -> Selector:
    """
    Return which endpoints the policy is about: as Calico joins the clauses, also when it drops one.

    A clause for namespaces or service accounts that does not parse is left out; without it the policy reaches further.
    """
    selector, namespaces, accounts = (written[key] for key in _SELECTORS)
    if is_namespaced:
        namespaces = ""
    straight = read_selector(selector, "spec.selector", notes, drops_policy=False)
    straight &= read_selector(namespaces, "spec.namespaceSelector", notes, drops_policy=False)
    straight &= read_selector(accounts, "spec.serviceAccountSelector", notes, drops_policy=False)
    if straight:
        trees = [parse_selector(clause) if clause else None for clause in (selector, namespaces, accounts)]
        try:
            if is_namespaced:
                return namespaced_policy_subject(namespace, trees[0], trees[2])
            return global_policy_subject(*trees)
        except SelectorError as error:
            notes.add(DefectKind.SELECTOR_SYNTAX, "spec.namespaceSelector", error.text, str(error), ignored=True)
            return All()
    if is_namespaced:
        text_in_force = joined.namespaced_subject(namespace, selector, accounts)
    else:
        text_in_force = joined.global_subject(selector, namespaces, accounts)
    return parse_joined(text_in_force, notes) or All()


def parse_tier(manifest: Manifest) -> Tier:
    meta = read_meta(manifest, Notes(), namespace=None)
    spec = child(manifest, "spec", "")
    order = number(spec.get("order"), "spec.order")
    # Only the exact word Pass passes (updateprocessors/tierprocessor.go).
    passes = text(spec.get("defaultAction"), "spec.defaultAction") == Action.PASS.value
    return Tier(
        name=meta.name,
        order=DEFAULT_TIER_ORDER if order is None else order,
        default_action=Action.PASS if passes else Action.DENY,
        order_declared=order is not None,
        ref=ref_of(manifest, meta),
        meta=meta,
    )


def parse_network_set(manifest: Manifest, *, namespace: str = "default") -> NetworkSet:
    """Read a NetworkSet or a GlobalNetworkSet."""
    notes = Notes()
    is_global = text(manifest.get("kind"), "kind") == "GlobalNetworkSet"
    meta = read_meta(manifest, notes, namespace=None if is_global else namespace)
    written, _ = read_nets(child(manifest, "spec", "").get("nets"), "spec.nets", notes, skipped=_SET_MISSING)
    return NetworkSet(meta, ref_of(manifest, meta), written, notes.defects)


def parse_host_endpoint(manifest: Manifest) -> HostEndpoint:
    notes = Notes()
    meta = read_meta(manifest, notes, namespace=None)
    spec = child(manifest, "spec", "")
    addresses = texts(spec.get("expectedIPs"), "spec.expectedIPs")
    for at, address in enumerate(addresses):
        net = noted_net(address, f"spec.expectedIPs[{at}]", notes)
        if net is not None and not net.is_address:
            notes.add(DefectKind.NET_SYNTAX, f"spec.expectedIPs[{at}]", address, "expected one address, not a range")
    return HostEndpoint(
        meta,
        ref_of(manifest, meta),
        addresses,
        notes.defects,
        named_ports=_endpoint_ports(spec),
        profiles=texts(spec.get("profiles"), "spec.profiles"),
    )


def _endpoint_ports(spec: Manifest) -> tuple[NamedPort, ...]:
    found = []
    for at, item in enumerate(items(spec.get("ports"), "spec.ports")):
        path = f"spec.ports[{at}]"
        port = mapping(item, path)
        name = text(port.get("name"), f"{path}.name")
        value = number(port.get("port"), f"{path}.port")
        try:
            protocol = parse_protocol(port.get("protocol"))
        except RangeError as error:
            raise InvalidObject(f"{path}.protocol", str(error)) from None
        if name and protocol in PROTOCOLS_WITH_PORTS and value is not None and 1 <= value <= LAST_PORT:
            found.append(NamedPort(name, protocol, int(value)))
    return tuple(found)
