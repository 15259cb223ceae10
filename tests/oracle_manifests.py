"""A second reading of manifests, text by text, into policies written as Calico's own; only tests use it."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.oracle_selectors import NotASelectorError, read, split

Manifest = Mapping[str, Any]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

NAMESPACE = "projectcalico.org/namespace"
PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132, "icmp": 1, "icmpv6": 58, "udplite": 136}
TIERS = {"default": (1e6, "Deny"), "kube-admin": (1e3, "Pass"), "kube-baseline": (1e7, "Pass")}


class PolicyMissingError(Exception):
    """Raised where Felix would refuse the policy and go on as if it were not there."""


def labels_of(manifests: Sequence[Manifest], thing: Manifest) -> dict[str, str]:
    """The labels by which selectors see a pod, a network set or a host endpoint."""
    meta = thing["metadata"]
    own = dict(meta.get("labels") or {})
    space = meta.get("namespace", "")
    parents = []
    if thing["kind"] == "Pod":
        account = thing["spec"].get("serviceAccountName") or "default"
        own = {k: v for k, v in own.items() if k[:5] not in ("pcns.", "pcsa.")}
        own |= {NAMESPACE: space, "projectcalico.org/orchestrator": "k8s"}
        if len(account) < 63:
            own["projectcalico.org/serviceaccount"] = account
        parents = [("Namespace", "", space), ("ServiceAccount", space, account)]
    elif thing["kind"] == "NetworkSet":
        own[NAMESPACE] = space
        parents = [("Namespace", "", space)]
    elif thing["kind"] == "HostEndpoint":
        for profile in thing["spec"].get("profiles", []):
            if profile.startswith("kns."):
                parents.append(("Namespace", "", profile[4:]))
    for kind, place, name in parents:
        for other in manifests:
            found = other["metadata"]
            if (other["kind"], found.get("namespace", ""), found["name"]) == (kind, place, name):
                prefix = "pcns." if kind == "Namespace" else "pcsa."
                lent = {**(found.get("labels") or {}), "projectcalico.org/name": name}
                for key, value in lent.items():
                    own.setdefault(prefix + key, value)
    return own


def network(text: str, *, needs_length: bool = False) -> Network | None:
    """Read a network as Go does: None is one that Calico skips."""
    if not re.fullmatch(r"[0-9A-Fa-f.:]+(/[0-9]+)?", text) or ("/" not in text and needs_length):
        return None
    address, _, length = text.partition("/")
    try:
        found = ipaddress.ip_address(address)
        bits = int(length) if length else found.max_prefixlen
        if bits > found.max_prefixlen:
            return None
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped and bits >= 96:
            return ipaddress.ip_network(f"{found.ipv4_mapped}/{bits - 96}", strict=False)
        return ipaddress.ip_network(f"{found}/{bits}", strict=False)
    except ValueError:
        return None


def networks(texts: Sequence[str] | None) -> list[Network]:
    return [net for net in map(network, texts or []) if net is not None]


def things_at(manifests: Sequence[Manifest], address: Address | None, pod: Manifest | None) -> list[Manifest]:
    """Everything that has this address; a pod without any address stands for itself."""
    if address is None:
        return [pod] if pod is not None and not pod["spec"].get("hostNetwork") else []
    found = []
    for thing in manifests:
        if thing["kind"] == "Pod" and not thing["spec"].get("hostNetwork"):
            nets = [network(ip["ip"]) for ip in thing["status"]["podIPs"]]
        elif thing["kind"] in ("NetworkSet", "GlobalNetworkSet"):
            nets = list(networks(thing["spec"].get("nets")))
        elif thing["kind"] == "HostEndpoint":
            nets = [net for net in networks(thing["spec"].get("expectedIPs")) if net.num_addresses == 1]
        else:
            continue
        if any(net is not None and address in net for net in nets):
            found.append(thing)
    return found


# Selectors, joined as text.


def prefixed(text: str, prefix: str) -> str:
    """Write the selector again with prefixed labels, as Calico prints it; nothing when it does not parse."""
    try:
        read(text)
        tokens = split(text)
    except NotASelectorError:
        return ""
    words = []
    for kind, value in tokens:
        if kind == "label":
            words.append(prefix + value)
        elif kind == "string":
            words.append(f"'{value}'" if '"' in value else f'"{value}"')
        elif kind in ("all", "global"):
            words.append(f"{kind}()")
        elif kind == "has":
            words.append(f"has({prefix}{value})")
        elif kind != "end":
            words.append(kind)
    return "(" + " ".join(words or ["all()"]) + ")"


def peer_text(entity: Manifest, space: str) -> str:
    accounts = entity.get("serviceAccounts") or {}
    chosen = prefixed(accounts["selector"], "pcsa.") if accounts.get("selector") else ""
    if accounts.get("names"):
        names = "projectcalico.org/serviceaccount in { '" + "', '".join(accounts["names"]) + "' }"
        try:
            read(names)
            chosen = f"({chosen}) && ({names})" if chosen else f"({names})"
        except NotASelectorError:
            chosen = ""
    parts = [part for part in (chosen, entity.get("selector") or "") if part]
    selected = parts[0] if len(parts) == 1 else " && ".join(f"({part})" for part in parts)
    if entity.get("namespaceSelector"):
        place = prefixed(entity["namespaceSelector"], "pcns.")
        place = place.replace("all()", f"has({NAMESPACE})").replace("global()", f"!has({NAMESPACE})")
        return f"({place}) && ({selected})" if place and selected else place or selected
    if space and (selected or entity.get("notSelector")):
        own = f"{NAMESPACE} == '{space}'"
        return f"({own}) && ({selected})" if selected else own
    return selected


def subject_text(policy: Manifest) -> str:
    spec, space = policy["spec"], policy["metadata"].get("namespace", "")
    selector = spec.get("selector") or ""
    if space:
        selector = f"({selector}) && {NAMESPACE} == '{space}'" if selector else f"{NAMESPACE} == '{space}'"
    elif spec.get("namespaceSelector"):
        more = prefixed(spec["namespaceSelector"], "pcns.")
        selector = f"({selector}) && {more}" if selector and more else selector or more
        selector = selector.replace("all()", f"has({NAMESPACE})")
    if spec.get("serviceAccountSelector"):
        more = prefixed(spec["serviceAccountSelector"], "pcsa.")
        selector = f"({selector}) && {more}" if selector and more else selector or more
        if not space:
            selector = selector.replace("all()", "has(projectcalico.org/serviceaccount)")
    return selector


# Kubernetes' policies, written as Calico's.


def label_text(selector: Manifest | None, *, pods: bool) -> str:
    parts = ["projectcalico.org/orchestrator == 'k8s'"] if pods else []
    if selector is None:
        return " && ".join(parts)
    if not pods and not selector.get("matchLabels") and not selector.get("matchExpressions"):
        return "all()"
    for key, value in (selector.get("matchLabels") or {}).items():
        parts.append(f"{key} == '{value}'")
    for item in selector.get("matchExpressions") or []:
        values = ", ".join(f"'{value}'" for value in item.get("values", []))
        form = {"In": "{} in {{{}}}", "NotIn": "{} not in {{{}}}", "Exists": "has({})", "DoesNotExist": "! has({})"}
        parts.append(form[item["operator"]].format(item["key"], values))
    return " && ".join(parts)


def ports_by_protocol(entries: Sequence[tuple[str, Any]]) -> dict[str | None, list[Any] | None]:
    """Ports of each protocol; None is every port, and no entry every protocol."""
    found: dict[str | None, list[Any] | None] = {} if entries else {None: None}
    for protocol, port in entries:
        known = found.setdefault(protocol, [])
        if port is None or known is None:
            found[protocol] = None
        else:
            known.append(port)
    return found


def with_peers(
    action: str, direction: str, peers: Sequence[Manifest], ports: Mapping[str | None, list[Any] | None]
) -> list[Manifest]:
    rules: list[Manifest] = []
    for protocol, numbers in ports.items():
        for peer in peers:
            rule: dict[str, Any] = {"action": action, "source": {}, "destination": {}}
            rule["source" if direction == "ingress" else "destination"] = dict(peer)
            if protocol:
                rule["protocol"] = protocol
            if numbers is not None:
                rule["destination"]["ports"] = numbers
            rules.append(rule)
    return rules


def from_kubernetes(policy: Manifest) -> Manifest:
    spec = policy["spec"]
    new: dict[str, Any] = {"order": 1000, "selector": label_text(spec.get("podSelector"), pods=True)}
    new["types"] = spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
    for direction, field in (("ingress", "from"), ("egress", "to")):
        new[direction] = []
        for rule in spec.get(direction) or []:
            peers: list[Manifest] = []
            for peer in rule.get(field) or [{"any": True}]:
                if "any" in peer:
                    peers.append({})
                elif "ipBlock" in peer:
                    peers.append(from_block(peer["ipBlock"]))
                else:
                    selected = {"selector": label_text(peer.get("podSelector"), pods=True)}
                    if "namespaceSelector" in peer:
                        selected["namespaceSelector"] = label_text(peer["namespaceSelector"], pods=False)
                    peers.append(selected)
            entries = []
            for port in rule.get("ports") or []:
                number = port.get("port")
                entries.append(
                    (port.get("protocol", "TCP"), f"{number}:{port['endPort']}" if "endPort" in port else number)
                )
            new[direction] += with_peers("Allow", direction, peers, ports_by_protocol(entries))
    return {**policy, "spec": {**new, "stagedAction": spec.get("stagedAction", "Set")}}


def from_block(block: Manifest) -> Manifest:
    if network(block["cidr"], needs_length=True) is None:
        return {}
    good: list[str] = []
    for text in block.get("except") or []:
        if network(text, needs_length=True) is None:
            break
        good.append(text)
    return {"nets": [block["cidr"]], "notNets": good}


def from_cluster(policy: Manifest) -> Manifest:
    spec = policy["spec"]
    subject = spec["subject"]
    spaces = subject["namespaces"] if "namespaces" in subject else subject["pods"].get("namespaceSelector", {})
    new: dict[str, Any] = {
        "order": spec["priority"],
        "tier": {"Admin": "kube-admin", "Baseline": "kube-baseline"}[spec["tier"]],
        "namespaceSelector": label_text(spaces, pods=False),
        "selector": label_text(subject.get("pods", {}).get("podSelector"), pods=True),
    }
    for direction, field in (("ingress", "from"), ("egress", "to")):
        new[direction] = []
        for rule in spec.get(direction) or []:
            action = rule["action"].replace("Accept", "Allow")
            peers: list[Manifest] = []
            bad = False
            for peer in rule[field]:
                if "pods" in peer:
                    spaces = peer["pods"].get("namespaceSelector", {})
                    pods = label_text(peer["pods"].get("podSelector"), pods=True)
                    peers.append({"namespaceSelector": label_text(spaces, pods=False), "selector": pods})
                elif "namespaces" in peer:
                    peers.append({"namespaceSelector": label_text(peer["namespaces"], pods=False)})
                else:
                    bad = bad or any(network(text, needs_length=True) is None for text in peer["networks"])
                    peers.append({"nets": peer["networks"]})
            if bad:
                new[direction] += [] if action == "Allow" else [{"action": "Deny"}]
                continue
            entries = []
            for item in rule.get("protocols") or []:
                for protocol, match in item.items():
                    wanted = match.get("destinationPort") or {}
                    ends = wanted.get("range")
                    entries.append(
                        (protocol.upper(), f"{ends['start']}:{ends['end']}" if ends else wanted.get("number"))
                    )
            new[direction] += with_peers(action, direction, peers, ports_by_protocol(entries))
    new["types"] = [direction.title() for direction in ("ingress", "egress") if new[direction]] or ["none"]
    return {**policy, "spec": new}


# What Felix refuses.


def protocol_number(value: Any) -> int | None:
    if value is None:
        return None
    found = PROTOCOLS.get(value.lower(), int(value) if value.isdigit() else 0) if isinstance(value, str) else value
    if not 1 <= found <= 255:
        raise PolicyMissingError("protocol")
    return int(found)


def port_range(value: Any) -> tuple[int, int] | str:
    text = str(value)
    if re.fullmatch(r"[0-9]+(:[0-9]+)?", text):
        ends = [int(part) for part in text.split(":")]
        if not all(1 <= end <= 65535 for end in ends) or ends[0] > ends[-1]:
            raise PolicyMissingError("port")
        return ends[0], ends[-1]
    if not re.fullmatch(r"[a-z0-9-]{1,15}", text) or not re.search("[a-z]", text) or re.search("^-|-$|--", text):
        raise PolicyMissingError("port name")
    return text


def check_rule(rule: Manifest, space: str) -> None:
    protocol = protocol_number(rule.get("protocol"))
    protocol_number(rule.get("notProtocol"))
    for side in ("source", "destination"):
        entity = rule.get(side) or {}
        for field in ("ports", "notPorts"):
            ports = [port_range(port) for port in entity.get(field) or []]
            if protocol not in (None, 6, 17, 132) and ports:
                raise PolicyMissingError("ports without protocol")
            if protocol is None and any(isinstance(port, tuple) for port in ports):
                raise PolicyMissingError("ports without protocol")
        accounts = entity.get("serviceAccounts") or {}
        clauses = [entity.get(field) for field in ("selector", "notSelector", "namespaceSelector")]
        positive = peer_text(entity, space)
        negative = entity.get("notSelector") or ""
        clauses += [
            accounts.get("selector"),
            positive,
            f"({positive}) && (!({negative}))" if positive and negative else "",
        ]
        for clause in clauses:
            try:
                read(clause or "")
            except NotASelectorError as error:
                raise PolicyMissingError("selector") from error


def directions(policy: Manifest) -> list[str]:
    spec = policy["spec"]
    if spec.get("types"):
        return list(spec["types"])
    if policy["apiVersion"] == "crd.projectcalico.org/v1":
        return ["Ingress", "Egress"]
    # Who fills them in is not known: what either way would give.
    by_rules = ["Ingress"] if not spec.get("egress") else ["Ingress", "Egress"] if spec.get("ingress") else ["Egress"]
    by_field = ["Ingress"] if "egress" not in spec else ["Ingress", "Egress"] if "ingress" in spec else ["Egress"]
    return by_rules + by_field


def policies_of(manifests: Sequence[Manifest]) -> list[Manifest]:
    """All policies that Felix accepts, written as Calico's own."""
    found = []
    for manifest in manifests:
        kind = manifest["kind"]
        if not kind.endswith("NetworkPolicy"):
            continue
        policy = manifest
        if kind == "ClusterNetworkPolicy":
            policy = from_cluster(manifest)
        elif manifest["apiVersion"].startswith("networking.k8s.io") or kind == "StagedKubernetesNetworkPolicy":
            policy = from_kubernetes(manifest)
        try:
            read(subject_text(policy))
            for direction in ("ingress", "egress"):
                for rule in policy["spec"].get(direction) or []:
                    check_rule(rule, policy["metadata"].get("namespace", ""))
        except (PolicyMissingError, NotASelectorError):
            continue
        found.append(policy)
    return found


def tie(policy: Manifest) -> tuple[float, bytes]:
    kind = policy["kind"]
    if policy["apiVersion"].endswith("k8s.io/v1") or policy["apiVersion"].startswith("policy."):
        kind = f"Kubernetes{kind}"
    order = policy["spec"].get("order")
    meta = policy["metadata"]
    return math.inf if order is None else order, f"{meta['name']}/{meta.get('namespace', '')}/{kind}".encode()
