"""Worlds that keep what the guard sees to, and a second reading of the ceiling and the floor; only the laws use it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.dice import Dice, Manifest, calico, namespace, pod
from tests.worlds import build
from webhook.policy.baseline import desired, isolation_floor, manifest
from webhook.policy.endpoints import PodRef
from webhook.policy.objects import CalicoApi, Direction, Policy
from webhook.policy.parse import parse_policy
from webhook.policy.ranges import Cidr, parse_address, parse_cidr
from webhook.policy.settings import (
    Cidrs,
    Dns,
    Environment,
    Permit,
    PermitPort,
    Reach,
    Settings,
    SharedDirection,
    SharedNamespace,
)
from webhook.policy.traffic import Flow
from webhook.policy.world import World

ENVIRONMENTS = ("dev", "test", "prod")
# Some are there when a policy is judged, some come later; selectors of the dice spell out some of each.
EARLY, LATE = ("one", "two", "three"), ("web", "db", "four", "one-two")
PODS = ("10.0.0.0/8", "fd00::/16")
OUTSIDE = ("192.0.2.7", "203.0.113.9", "198.51.100.7", "2001:db8::7")
NODE = "172.16.0.1"
SERVICES = ((6, 80), (6, 443), (6, 53), (17, 53), (17, 1500), (132, 80), (6, 8080), (1, 0), (58, 0), (47, 0))


def settings_of(dice: Dice) -> Settings:
    """What a platform team may decide, all of it."""
    pairs = [(a, b) for a in ENVIRONMENTS for b in ENVIRONMENTS if a != b]
    narrowed: list[tuple[PermitPort, ...]] = [(), (), (PermitPort(6, 80, 80),), (PermitPort(17, 1, 2000),)]
    drawn = [(dice.one(pairs), dice.one(narrowed)) for _ in range(dice.random.randrange(3))]
    permits = [Permit(source, destination, ports) for (source, destination), ports in drawn]
    shared = [
        SharedNamespace(dice.one(("two", "web")), dice.one(tuple(SharedDirection)))
        for _ in range(dice.random.randrange(2))
    ]
    outside = [(), (), (parse_cidr("203.0.113.0/24"),), (parse_cidr("0.0.0.0/0"), parse_cidr("::/0"))]
    cidrs = Cidrs(
        pods=tuple(map(parse_cidr, PODS)) if dice.chance(0.7) else (),
        nodes=dice.one(((), (parse_cidr("172.16.0.0/24"),))),
        ingress=dice.one(outside),
        egress=dice.one(outside),
    )
    dns = Dns(node_local=dice.one(((), (), (parse_cidr("169.254.20.10/32"),))))
    return Settings(
        environments=tuple(map(Environment, ENVIRONMENTS)),
        permits=tuple(permits),
        shared_namespaces=tuple(shared),
        cidrs=cidrs,
        same_environment=dice.one((Reach.ENVIRONMENT, Reach.ENVIRONMENT, Reach.NAMESPACE, Reach.NONE)),
        dns=dns,
    )


@dataclass(frozen=True, slots=True)
class Ground:
    """A world as it is when policies are judged, and as it is later, with the baseline and no other policies."""

    judged: World
    later: World


def ground(dice: Dice, settings: Settings) -> Ground:
    first = [_namespace(dice, name, may_lack_label=True) for name in EARLY]
    second = [_namespace(dice, name, may_lack_label=False) for name in LATE if dice.chance(0.5)]
    dns = namespace("kube-system")
    accounts = [
        _account(place, name, dice) for place in (*EARLY, *LATE) for name in ("default", "robot") if dice.chance(0.5)
    ]
    tiers = [found for found in dice.tiers() if found["metadata"]["name"] != "default"]
    sets = [_set(dice, number) for number in range(dice.random.randrange(3))]
    hosts = [_host(dice)] if dice.chance(0.5) else []
    services = dice.services() if dice.chance(0.5) else []
    if services:
        # A service with a selector stands for pods of its namespace, and no others.
        del services[0]["spec"]["selector"]
    common = [*first, dns, *accounts, *tiers, *sets, *hosts, *services]
    judged = build(common, settings)
    manifests = [*common, *second, *_pods(dice, [m["metadata"]["name"] for m in (*first, *second)])]
    later = build(manifests, settings)
    return Ground(judged, later.with_policies(*baseline(later)))


def baseline(world: World) -> Iterator[Policy]:
    managed = [found for found in world.namespaces.values() if world.is_managed(found.name)]
    wanted = [object_ for found in managed for object_ in desired(found, world.settings)]
    for object_ in (*wanted, isolation_floor(world.settings)):
        yield parse_policy(manifest(object_, CalicoApi.V1, world.settings))


def _namespace(dice: Dice, name: str, *, may_lack_label: bool) -> Manifest:
    environments: tuple[str | None, ...] = (*ENVIRONMENTS, "dev", "unassigned", *([None] if may_lack_label else []))
    environment = dice.one(environments)
    labels = {"env": environment} if environment is not None else {}
    return namespace(name, **labels, **dice.maybe(0.4, lambda: {"team": dice.one(("web", "dev"))}))


def _account(place: str, name: str, dice: Dice) -> Manifest:
    labels = dice.maybe(0.5, lambda: {"env": dice.one(ENVIRONMENTS)})
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": place, "labels": labels},
    }


def _labels(dice: Dice) -> dict[str, str]:
    return {dice.one(("env", "app", "team")): dice.one(("dev", "test", "web", "db", "")) for _ in range(2)}


def _set(dice: Dice, number: int) -> Manifest:
    """Without reserved labels, and without addresses of pods: rules of their own see to both."""
    kind = dice.one(("NetworkSet", "GlobalNetworkSet"))
    nets = [dice.one(("203.0.113.0/24", "192.0.2.7/32", "2001:db8::/32", "198.51.100.0/24"))]
    return calico(
        kind, f"s{number}", "" if kind == "GlobalNetworkSet" else dice.one(EARLY), labels=_labels(dice), nets=nets
    )


def _host(dice: Dice) -> Manifest:
    return calico("HostEndpoint", "node", labels=_labels(dice), node="n", expectedIPs=[NODE])


def _pods(dice: Dice, places: list[str]) -> Iterator[Manifest]:
    number = 0
    for place in places:
        for _ in range(1 + dice.random.randrange(2)):
            number += 1
            addresses = [f"10.{number % 3}.{number % 2}.{number}", *([f"fd00::{number}"] if dice.chance(0.4) else [])]
            ports = [
                {"name": "http", "containerPort": dice.one((80, 8080))},
                {"name": "dns", "protocol": "UDP", "containerPort": 53},
            ]
            yield pod(
                place,
                f"pod-{number}",
                *addresses,
                labels=_labels(dice),
                containers=[{"name": "c", "ports": ports if dice.chance(0.6) else []}],
                serviceAccountName=dice.one(("default", "robot")),
            )
    yield pod("kube-system", "dns-1", "10.9.9.9", "fd00::99", labels={"k8s-app": dice.one(("kube-dns", "coredns"))})
    yield pod("kube-system", "other", "10.9.9.10", labels=_labels(dice))


def tenants_policy(random: Random, kind: str | None = None) -> Manifest:
    """One that Calico reads as written; half of them are made by someone who tries to keep to the rules."""
    dice = Dice(random, crooked=0)
    kinds = {
        "calico": dice.calico_policy,
        "kubernetes": dice.kubernetes_policy,
        "cluster": dice.cluster_policy,
    }
    chosen: Manifest = kinds[kind or dice.one(("calico", "calico", "calico", "kubernetes", "cluster"))]()
    if dice.chance(0.5):
        _restrain(dice, chosen["spec"])
    return chosen


def _restrain(dice: Dice, spec: Any) -> None:
    for direction, side in (("ingress", "source"), ("egress", "destination")):
        for rule in spec.get(direction) or []:
            if "action" in rule and side in rule and "services" not in rule[side]:
                rule[side].pop("notSelector", None)
                rule[side]["namespaceSelector"] = dice.one(
                    ("env == 'dev'", "env == 'test'", "kubernetes.io/metadata.name == 'one'", "env in {'dev', 'test'}")
                )


def flows(world: World, random: Random, count: int) -> Iterator[Flow]:
    """Random flows of which one end at least is a pod."""
    pods = [PodRef(*place) for place in world.pods]
    strangers: list[PodRef | Cidr] = [parse_address(text) for text in (*OUTSIDE, NODE, "169.254.20.10")]
    for _ in range(count):
        protocol, port = random.choice(SERVICES)
        one, other = random.choice(pods), random.choice([*pods, *pods, *strangers])
        source, destination = (one, other) if random.random() < 0.5 else (other, one)
        if source != destination and _families(source, world) & _families(destination, world):
            yield Flow(source, destination, protocol, port, source_port=random.choice((49152, 80, 1500)))


def _families(end: PodRef | Cidr, world: World) -> set[int]:
    if isinstance(end, Cidr):
        return {end.family}
    return {parse_address(address).family for address in world.pods[end.namespace, end.name].addresses}


def is_permitted(direction: Direction, own: PodRef, flow: Flow, world: World) -> bool:
    """The ceiling once more, as one would tell it to a colleague."""
    settings = world.settings
    other = flow.source if direction is Direction.INGRESS else flow.destination
    mine = world.environment_of(own.namespace) or "unassigned"
    if isinstance(other, PodRef):
        if other.namespace == own.namespace:
            return True
        for shared in settings.shared_namespaces:
            if shared.name == other.namespace and shared.direction.value in (direction.value.lower(), "both"):
                return True
        theirs = world.environment_of(other.namespace)
        if theirs in ENVIRONMENTS and mine in ENVIRONMENTS:
            if mine == theirs and settings.same_environment is Reach.ENVIRONMENT:
                return True
            pair = (theirs, mine) if direction is Direction.INGRESS else (mine, theirs)
            for permit in settings.permits:
                in_ports = not permit.ports or any(
                    port.protocol == flow.protocol and port.low <= flow.port <= port.high for port in permit.ports
                )
                if (permit.source, permit.destination) == pair and in_ports:
                    return True
        if direction is Direction.EGRESS and is_dns(flow, world):
            return True
    if any(_is_listed(address, direction, flow, settings) for address in _addresses(other, own, world)):
        return True
    # A node, where it is an endpoint, may always reach its pods.
    return direction is Direction.INGRESS and other == parse_address(NODE) and bool(world.host_endpoints)


def _addresses(other: PodRef | Cidr, own: PodRef, world: World) -> list[str]:
    """The address in use: where both ends have both families it is IPv4."""
    if isinstance(other, Cidr):
        return [other.address]
    common = _families(other, world) & _families(own, world)
    family = 4 if 4 in common else 6
    return [text for text in world.pods[other.namespace, other.name].addresses if parse_address(text).family == family]


def _is_listed(address: str, direction: Direction, flow: Flow, settings: Settings) -> bool:
    cidrs = settings.cidrs
    listed = cidrs.ingress if direction is Direction.INGRESS else cidrs.egress
    if _in(address, listed) and not _in(address, cidrs.pods):
        return True
    if direction is Direction.INGRESS:
        return _in(address, cidrs.nodes)
    return _in(address, settings.dns.node_local) and flow.protocol in (6, 17) and flow.port == 53


def _in(address: str, nets: tuple[Cidr, ...]) -> bool:
    return any(ipaddress.ip_address(address) in ipaddress.ip_network(str(net)) for net in nets)


def is_dns(flow: Flow, world: World) -> bool:
    """Whether a flow is one that every managed pod is promised."""
    if flow.protocol not in (6, 17) or flow.port != 53:
        return False
    if isinstance(flow.destination, Cidr):
        return _in(flow.destination.address, world.settings.dns.node_local)
    found = world.pods[flow.destination.namespace, flow.destination.name]
    return found.meta.namespace == "kube-system" and found.meta.labels.get("k8s-app") in ("coredns", "kube-dns")
