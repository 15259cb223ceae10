"""Truth: whether a policy undercuts, found by trying flows one by one in a place rich enough to show it."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from tests.oracle import Packet, entity_matches, rule_matches, tiers_in_order
from tests.oracle_manifests import Manifest, directions, labels_of, policies_of, subject_text, things_at, tie
from tests.oracle_selectors import matches
from tests.shapes import calico, namespace, pod
from webhook.policy.baseline import desired, isolation_floor, manifest
from webhook.policy.objects import CalicoApi
from webhook.policy.parse import parse_namespace
from webhook.policy.settings import Settings

# Name, environment label and the label `team`; the second row of each comes after the policy was judged.
PLACES: tuple[tuple[str, str | None, str], ...] = (
    ("shop", "dev", ""),
    ("till", "prod", ""),
    ("stage", "test", ""),
    ("bare", None, ""),
    ("ingress-nginx", "unassigned", ""),
    ("monitoring", "unassigned", ""),
    ("dev-late", "dev", "a"),
    ("test-late", "test", "a"),
    ("prod-late", "prod", "a"),
    ("lost", "unassigned", "a"),
    ("lost-late", "unassigned", ""),
)
EXEMPT = ("kube-system", "calico-system", "openshift-dns")
# Of the second kind no namespace of the example has one; a selector may yet ask for it.
WEARS: tuple[dict[str, str], ...] = ({}, {"app": "web"}, {"app": "db", "k8s-app": "kube-dns"})
STRANGERS = ("203.0.113.9", "8.8.8.8", "198.51.100.7", "2001:db8::7")
NODE = "172.20.0.1"
PORTS = {"http": 8080}


def spaces() -> list[Manifest]:
    found = [
        namespace(name, **({"env": env} if env else {}), **({"team": team} if team else {}))
        for name, env, team in PLACES
    ]
    return [*found, *(namespace(name) for name in EXEMPT)]


@dataclass(frozen=True, slots=True)
class Service:
    """What is asked for at the destination; for ICMP the port is nothing, and `icmp` type and code."""

    protocol: int
    port: int
    icmp: tuple[int, int] = (8, 0)


Undercut = tuple[str, Any, Any, Service]
Walk = list[tuple[str, list[tuple[str, Manifest]]]]


@dataclass(slots=True)
class Place:
    """Namespaces, pods, sets and the baseline as settings ask for it, with the policies under examination."""

    settings: Settings
    manifests: list[Manifest]
    ends: list[Any]
    policies: list[Manifest]
    examined: list[Manifest]
    is_bare: bool
    _known: dict[Any, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings, added: Sequence[Manifest], *, like: Sequence[Manifest] = ()) -> Place:
        """A place for these objects; whoever stands at the edges of their nets, or of those of others, is there."""
        nets = sorted(set(_texts([*added, *like], ("nets", "notNets", "cidr", "except", "networks"))))
        listed = [
            str(net) for group in ("pods", "nodes", "ingress", "egress") for net in getattr(settings.cidrs, group)
        ]
        edges = list(dict.fromkeys(edge for net in (*nets, *listed) for edge in _edges(net)))
        world = [*spaces(), *_accounts(), *_pods(settings, edges), *_sets(), *added, *_baseline(settings)]
        pods = [m for m in world if m["kind"] == "Pod"]
        taken = {ip["ip"] for m in pods for ip in m["status"]["podIPs"]}
        strangers = [
            text
            for text in dict.fromkeys((*STRANGERS, NODE, *edges, *(net.address for net in settings.dns.node_local)))
            if text not in taken and not _is_in(ipaddress.ip_address(text), settings.cidrs.pods)
        ]
        return cls(settings, world, [*map(_named, pods), *strangers], policies_of(world), policies_of(added), not added)

    def undercuts(self, services: Iterable[Service]) -> Iterator[Undercut]:
        """Every flow that goes wrong: one that passes although nothing permits it, or DNS that stops."""
        asked = list(services)
        for own in self.ends:
            if not isinstance(own, tuple) or own[0] in self.settings.exempt_namespaces:
                continue
            for direction in ("Ingress", "Egress"):
                # Whom no policy under examination selects, the baseline has to itself.
                if not self.is_bare and not self._here(own, direction, self.examined):
                    continue
                walk = self._walk(own, direction)
                for other in self.ends:
                    if other != own:
                        yield from self._tried(own, other, direction, walk, asked)

    def _tried(self, own: Any, other: Any, direction: str, walk: Walk, asked: list[Service]) -> Iterator[Undercut]:
        ends = (other, own) if direction == "Ingress" else (own, other)
        for packet in self._packets(ends):
            left = [(default, [(s, r) for s, r in rules if self._concerns(r, s, packet)]) for default, rules in walk]
            for one in asked:
                service = Service(58, 0, one.icmp) if one.protocol == 1 and packet.version == 6 else one
                packet.protocol, packet.ports, packet.icmp = service.protocol, (49152, service.port), service.icmp
                passes = self._passes(packet, left, service)
                if passes and not self.is_permitted(own, other, direction, packet, service):
                    yield (f"{direction} passes", *ends, service)
                elif not passes and direction == "Egress" and self.is_dns(other, service):
                    yield ("DNS is cut", *ends, service)

    def _packets(self, ends: tuple[Any, Any]) -> Iterator[Packet]:
        """What the oracle makes of two ends, each looked up once, in every family that they have in common."""
        found = [self._remembered(("end", end), lambda end=end: self._end(end)) for end in ends]
        for version in sorted(set(found[0][1]) & set(found[1][1])):
            packet = Packet.__new__(Packet)
            packet.manifests, packet.version = self.manifests, version
            packet.pods = [pod for pod, _ in found]
            packet.at, packet.things = map(list, zip(*(known[version] for _, known in found), strict=True))
            yield packet

    def _end(self, end: Any) -> tuple[Manifest | None, dict[int, tuple[Any, list[Manifest]]]]:
        pod = next((m for m in self.manifests if m["kind"] == "Pod" and _named(m) == end), None)
        texts = [ip["ip"] for ip in pod["status"]["podIPs"]] if pod is not None else [end]
        addresses = [ipaddress.ip_address(text) for text in texts]
        return pod, {a.version: (a, things_at(self.manifests, a, pod)) for a in addresses}

    def _here(self, own: tuple[str, str], direction: str, policies: Sequence[Manifest]) -> list[Manifest]:
        labels = self._remembered(
            ("labels", own),
            lambda: labels_of(self.manifests, self._remembered(("end", own), lambda: self._end(own))[0]),
        )
        return [
            p
            for p in policies
            if direction in directions(p)
            and not (p["spec"].get("doNotTrack") or p["spec"].get("preDNAT") or p["kind"].startswith("Staged"))
            and matches(subject_text(p), labels)
        ]

    def _walk(self, own: tuple[str, str], direction: str) -> Walk:
        """Tiers with their default action, and the rules in the order in which they are asked."""
        here = self._here(own, direction, self.policies)
        return [
            (
                default,
                [
                    (policy["metadata"].get("namespace", ""), rule)
                    for policy in sorted((p for p in here if (p["spec"].get("tier") or "default") == tier), key=tie)
                    for rule in policy["spec"].get(direction.lower()) or []
                    if rule["action"] != "Log"
                ],
            )
            for tier, default in tiers_in_order(self.manifests, here)
        ]

    def _passes(self, packet: Packet, walk: Walk, service: Service) -> bool:
        for default, rules in walk:
            found = (rule["action"] for space, rule in rules if self._matches(rule, space, packet, service))
            action = next(found, default)
            if action != "Pass":
                return bool(action == "Allow")
        return True

    def _concerns(self, rule: Manifest, space: str, packet: Packet) -> bool:
        """Whether both ends are those of the rule, whatever passes between them."""
        for side, name in enumerate(("source", "destination")):
            who = {k: v for k, v in (rule.get(name) or {}).items() if k not in ("ports", "notPorts", "services")}
            key = (id(rule), side, packet.at[side], packet.version)
            if who and not self._remembered(
                key, lambda n=name, w=who, s=side: entity_matches({n: w}, s, space, packet)
            ):
                return False
        return True

    def _matches(self, rule: Manifest, space: str, packet: Packet, service: Service) -> bool:
        sides = [rule.get(name) or {} for name in ("source", "destination")]
        if any("services" in side or any(not str(port)[0].isdigit() for port in _ports(side)) for side in sides):
            return rule_matches(rule, space, packet)
        what = {
            **rule,
            "source": {key: sides[0].get(key) for key in ("ports", "notPorts")},
            "destination": {key: sides[1].get(key) for key in ("ports", "notPorts")},
        }
        return bool(self._remembered((id(rule), service, packet.version), lambda: rule_matches(what, space, packet)))

    def _remembered(self, key: Any, make: Callable[[], Any]) -> Any:
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]

    def is_permitted(self, own: tuple[str, str], other: Any, direction: str, packet: Packet, service: Service) -> bool:
        """The ceiling, as one would tell it to a colleague."""
        settings, cidrs = self.settings, self.settings.cidrs
        if isinstance(other, tuple):
            if own[0] == other[0]:
                return True
            for shared in settings.shared_namespaces:
                if shared.name == other[0] and shared.direction.value in (direction.lower(), "both"):
                    return True
            if self._is_permitted_pair(own[0], other[0], direction, service):
                return True
        if direction == "Egress" and self.is_dns(other, service):
            return True
        address = packet.at[0 if direction == "Ingress" else 1]
        if direction == "Ingress":
            nodes = _is_in(address, cidrs.nodes) or str(address) == NODE
            return nodes or (_is_in(address, cidrs.ingress) and not _is_in(address, cidrs.pods))
        return _is_in(address, cidrs.egress) and not _is_in(address, cidrs.pods)

    def _is_permitted_pair(self, own: str, other: str, direction: str, service: Service) -> bool:
        mine, theirs = environment(own), environment(other)
        declared = {e.name for e in self.settings.environments}
        if mine not in declared or theirs not in declared or other in self.settings.exempt_namespaces:
            return False
        if mine == theirs and self.settings.same_environment.value == "environment":
            return True
        pair = (theirs, mine) if direction == "Ingress" else (mine, theirs)
        return any(
            (permit.source, permit.destination) == pair
            and (
                not permit.ports
                or any(p.protocol == service.protocol and p.low <= service.port <= p.high for p in permit.ports)
            )
            for permit in self.settings.permits
        )

    def is_dns(self, other: Any, service: Service) -> bool:
        dns = self.settings.dns
        if service.protocol not in (6, 17) or service.port not in dns.ports:
            return False
        if not isinstance(other, tuple):
            return _is_in(ipaddress.ip_address(other), dns.node_local)
        labels = self._remembered(("end", other), lambda: self._end(other))[0]["metadata"]["labels"]
        return any(servers.namespace == other[0] and matches(servers.selector, labels) for servers in dns.servers)


def _named(pod: Manifest) -> tuple[str, str]:
    return pod["metadata"]["namespace"], pod["metadata"]["name"]


def _ports(entity: Manifest) -> list[Any]:
    return [*(entity.get("ports") or []), *(entity.get("notPorts") or [])]


@lru_cache
def _baseline(settings: Settings) -> tuple[Manifest, ...]:
    managed = [space for space in spaces() if space["metadata"]["name"] not in settings.exempt_namespaces]
    wanted = [object_ for space in managed for object_ in desired(parse_namespace(space), settings)]
    return tuple(manifest(o, CalicoApi.V1, settings) for o in (*wanted, isolation_floor(settings)))


def environment(name: str) -> str | None:
    return next((env for place, env, _ in PLACES if place == name), None)


def services_for(settings: Settings, added: Sequence[Manifest]) -> list[Service]:
    """Every port at the edge of one that is mentioned, by each protocol with ports; some ICMP; others without."""
    numbers = {80, 8080, 443, *settings.dns.ports}
    for text in _texts(added, ("ports", "notPorts", "port", "endPort", "number", "start", "end")):
        for part in str(text).split(":"):
            if part.isdigit():
                numbers |= {int(part) - 1, int(part), int(part) + 1}
    for permit in settings.permits:
        numbers |= {number for port in permit.ports for number in (port.low, port.high, port.high + 1)}
    ports = sorted(number for number in numbers if 1 <= number <= 65535)
    found = [Service(protocol, port) for protocol in (6, 17, 132) for port in ports]
    return [*found, Service(1, 0), Service(1, 0, (3, 4)), Service(136, 0), Service(47, 0)]


def _texts(value: Any, names: tuple[str, ...], under: bool = False) -> Iterator[str]:
    """Everything that is written in fields of these names, however deep."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(item, names, under or key in names)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item, names, under)
    elif under and not isinstance(value, bool):
        yield str(value)


def _edges(text: str) -> Iterator[str]:
    try:
        net = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return
    low, high, last = int(net.network_address), int(net.broadcast_address), (1 << net.max_prefixlen) - 1
    make = ipaddress.IPv4Address if net.version == 4 else ipaddress.IPv6Address
    for number in (low - 1, low, high, high + 1):
        if 0 < number < last:
            yield str(make(number))


def _pods(settings: Settings, edges: Sequence[str]) -> Iterator[Manifest]:
    """Pods of every namespace in ordinary dress, and two of each kind of namespace at every edge where a pod can be."""
    number, is_dual = 0, any(net.family == 6 for net in settings.cidrs.pods)
    for place, _, _ in PLACES:
        for wear in WEARS:
            number += 1
            container = {"ports": [{"name": name, "containerPort": port} for name, port in PORTS.items()]}
            account = "robot" if wear.get("app") == "web" else "default"
            yield pod(
                place,
                f"pod-{number}",
                f"10.240.1.{number}",
                *([f"fd00:10:240::{number}"] if is_dual else []),
                labels=wear,
                containers=[container] if wear else [],
                serviceAccountName=account,
            )
    yield pod("kube-system", "dns", "10.240.2.1", labels={"k8s-app": "kube-dns"})
    yield pod("kube-system", "other", "10.240.2.2", labels={"app": "web"})
    yield pod("calico-system", "typha", "10.240.2.3")
    yield pod("openshift-dns", "dns", "10.240.2.4", labels={"dns.operator.openshift.io/daemonset-dns": "default"})
    pods = settings.cidrs.pods
    for at, edge in enumerate(e for e in edges if not pods or _is_in(ipaddress.ip_address(e), pods)):
        yield pod(("till", "lost")[at % 2], f"edge-{at}", edge)


def _accounts() -> Iterator[Manifest]:
    for place, _, _ in PLACES:
        for name in ("default", "robot"):
            yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": place, "name": name}}


def _sets() -> Iterator[Manifest]:
    for name, wear, nets in (
        ("plain", {}, ["198.51.100.7/32"]),
        ("web", {"app": "web"}, ["203.0.113.9/32"]),
    ):
        yield calico("GlobalNetworkSet", name, labels=wear, nets=nets)
    yield calico("HostEndpoint", "node", labels={"app": "web", "host": "yes"}, node="n", expectedIPs=[NODE])


def _is_in(address: Any, nets: Iterable[Any]) -> bool:
    return any(address in ipaddress.ip_network(str(net)) for net in nets)
