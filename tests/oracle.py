"""A second verdict, from the second reading of manifests: slow and obvious; only tests use it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from tests.oracle_manifests import (
    PROTOCOLS,
    TIERS,
    Address,
    Manifest,
    directions,
    labels_of,
    network,
    networks,
    peer_text,
    policies_of,
    port_range,
    protocol_number,
    subject_text,
    things_at,
    tie,
)
from tests.oracle_selectors import matches


class Packet:
    """One packet: both ends with everything that stands at their addresses."""

    def __init__(self, manifests: Sequence[Manifest], ends: Sequence[Any], protocol: int, port: int, icmp: Any) -> None:
        self.manifests = manifests
        self.pods = [self.find(end) for end in ends]
        lists = [self.addresses(end, pod) for end, pod in zip(ends, self.pods, strict=True)]
        versions = [{address.version for address in known} for known in lists if known]
        both = set.intersection(*versions) if versions else {4}
        self.version = 4 if 4 in both or not both else 6
        self.at = [next((a for a in known if a.version == self.version), None) for known in lists]
        self.things = [things_at(manifests, a, pod) for a, pod in zip(self.at, self.pods, strict=True)]
        self.protocol, self.ports, self.icmp = protocol, (49152, port), icmp

    def find(self, end: Any) -> Manifest | None:
        for thing in self.manifests:
            if thing["kind"] != "Pod":
                continue
            if isinstance(end, tuple):
                if (thing["metadata"]["namespace"], thing["metadata"]["name"]) == end:
                    return thing
            elif not thing["spec"].get("hostNetwork") and any(
                network(ip["ip"]) == network(end) for ip in thing["status"]["podIPs"]
            ):
                return thing
        return None

    def addresses(self, end: Any, pod: Manifest | None) -> list[Address]:
        if isinstance(end, tuple):
            assert pod is not None
            return [ipaddress.ip_address(ip["ip"]) for ip in pod["status"]["podIPs"]]
        return [ipaddress.ip_address(end)]


def is_at(text: str, packet: Packet, side: int) -> bool:
    return any(matches(text, labels_of(packet.manifests, thing)) for thing in packet.things[side])


def port_matches(ports: Sequence[Any], entity: Manifest, space: str, rule: Manifest, packet: Packet, side: int) -> bool:
    for wanted in map(port_range, ports):
        if isinstance(wanted, tuple):
            if packet.protocol in (6, 17, 132) and wanted[0] <= packet.ports[side] <= wanted[1]:
                return True
            continue
        if packet.protocol != (protocol_number(rule.get("protocol")) or 6):
            continue
        positive, negative = peer_text(entity, space), entity.get("notSelector") or ""
        text = f"({positive}) && (!({negative}))" if positive and negative else positive
        for thing in packet.things[side]:
            if text and not matches(text, labels_of(packet.manifests, thing)):
                continue
            if (wanted, packet.protocol, packet.ports[side]) in named_ports(thing):
                return True
    return False


def named_ports(thing: Manifest) -> list[tuple[str, int, int]]:
    if thing["kind"] == "HostEndpoint":
        return [(p["name"], PROTOCOLS[p["protocol"].lower()], p["port"]) for p in thing["spec"].get("ports", [])]
    if thing["kind"] != "Pod":
        return []
    listed = [port for container in thing["spec"]["containers"] for port in container.get("ports", [])]
    return [(p["name"], PROTOCOLS[p.get("protocol", "TCP").lower()], p["containerPort"]) for p in listed]


def in_service(service: Manifest, packet: Packet, side: int) -> bool:
    for item in packet.manifests:
        if item["kind"] != "EndpointSlice" or item["metadata"]["namespace"] != service.get("namespace", ""):
            continue
        if item["metadata"]["labels"]["kubernetes.io/service-name"] != service["name"]:
            continue
        here = any(
            ipaddress.ip_address(address) == packet.at[side] for e in item["endpoints"] for address in e["addresses"]
        )
        ports = [(PROTOCOLS[p.get("protocol", "TCP").lower()], p["port"]) for p in item["ports"]]
        if here and (side == 0 or (packet.protocol, packet.ports[1]) in ports):
            return True
    return False


def nets_match(texts: Sequence[str] | None, packet: Packet, side: int, *, negated: bool) -> bool:
    found = networks(texts)
    if not found:
        return True
    family = [net for net in found if net.version == packet.version]
    if not family:
        return False
    address = packet.at[side]
    return any(address is not None and address in net for net in family) != negated


def entity_matches(rule: Manifest, side: int, space: str, packet: Packet) -> bool:
    entity = rule.get(("source", "destination")[side]) or {}
    if not nets_match(entity.get("nets"), packet, side, negated=False):
        return False
    if not nets_match(entity.get("notNets"), packet, side, negated=True):
        return False
    positive, negative = peer_text(entity, space), entity.get("notSelector") or ""
    if positive and not is_at(f"({positive}) && (!({negative}))" if negative else positive, packet, side):
        return False
    if negative and not positive and is_at(negative, packet, side):
        return False
    if entity.get("ports") and not port_matches(entity["ports"], entity, space, rule, packet, side):
        return False
    if entity.get("notPorts") and port_matches(entity["notPorts"], entity, space, rule, packet, side):
        return False
    return not entity.get("services") or in_service(entity["services"], packet, side)


def rule_matches(rule: Manifest, space: str, packet: Packet) -> bool:
    if rule.get("ipVersion") not in (None, packet.version):
        return False
    if protocol_number(rule.get("protocol")) not in (None, packet.protocol):
        return False
    if protocol_number(rule.get("notProtocol")) == packet.protocol:
        return False
    for field, wanted in (("icmp", True), ("notICMP", False)):
        match = rule.get(field) or {}
        if "type" in match:
            if packet.protocol != {4: 1, 6: 58}[packet.version]:
                return False
            same = match["type"] == packet.icmp[0] and match.get("code", packet.icmp[1]) == packet.icmp[1]
            if same != wanted:
                return False
    return all(entity_matches(rule, side, space, packet) for side in (0, 1))


def tiers_in_order(manifests: Sequence[Manifest], policies: Sequence[Manifest]) -> list[tuple[str, str]]:
    known = dict(TIERS)
    for manifest in manifests:
        if manifest["kind"] == "Tier":
            order = manifest["spec"].get("order")
            action = "Pass" if manifest["spec"].get("defaultAction") == "Pass" else "Deny"
            known[manifest["metadata"]["name"]] = (1e6 if order is None else order, action)
    named = {policy["spec"].get("tier") or "default" for policy in policies}
    existing = sorted((known[name][0], name.encode(), name) for name in named if name in known)
    missing = sorted(named - set(known))
    return [(name, known[name][1]) for _, _, name in existing] + [(name, "Deny") for name in missing]


def hook(packet: Packet, side: int, accepted: Sequence[Manifest]) -> bool:
    """Walk the tiers for one end: the pod's egress when it is the source, its ingress when it is the destination."""
    pod = packet.pods[side]
    assert pod is not None
    direction = ("Egress", "Ingress")[side]
    labels = labels_of(packet.manifests, pod)
    policies = [
        policy
        for policy in accepted
        if direction in directions(policy)
        and not policy["spec"].get("doNotTrack")
        and not policy["spec"].get("preDNAT")
        and not policy["kind"].startswith("Staged")
        and matches(subject_text(policy), labels)
    ]
    for tier, default in tiers_in_order(packet.manifests, policies):
        action = default
        for policy in sorted((p for p in policies if (p["spec"].get("tier") or "default") == tier), key=tie):
            space = policy["metadata"].get("namespace", "")
            rules = policy["spec"].get(direction.lower()) or []
            decided = [r["action"] for r in rules if r["action"] != "Log" and rule_matches(r, space, packet)]
            if decided:
                action = decided[0]
                break
        if action != "Pass":
            return bool(action == "Allow")
    return any(
        m["kind"] == "Namespace" and m["metadata"]["name"] == pod["metadata"]["namespace"] for m in packet.manifests
    )


def verdict(
    manifests: Sequence[Manifest],
    source: Any,
    destination: Any,
    protocol: int,
    port: int,
    icmp: Any = (8, 0),
    *,
    accepted: Sequence[Manifest] | None = None,
) -> tuple[bool, dict[str, bool]]:
    """
    Decide a flow between pods, as (namespace, name), and addresses, as text; also what each hook says.

    `accepted` are the policies_of() the manifests, for who asks about them more than once.
    """
    accepted = policies_of(manifests) if accepted is None else accepted
    packet = Packet(manifests, (source, destination), protocol, port, icmp)
    hooks = {
        name: hook(packet, side, accepted)
        for side, name in ((0, "Egress"), (1, "Ingress"))
        if (pod := packet.pods[side]) is not None and not pod["spec"].get("hostNetwork")
    }
    return all(hooks.values()), hooks
