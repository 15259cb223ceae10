"""Universe: all the endpoints there can be in worlds that the guard admits, given what settings and the world fix."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from webhook.policy.baseline import environment_for
from webhook.policy.objects import Direction, Namespace, NetworkSet
from webhook.policy.ranges import AddressSet, Cidr, PortSet, RangeError, parse_cidr
from webhook.policy.selectors import NAMESPACE_PREFIX, Selector, SelectorError, parse
from webhook.policy.settings import UNASSIGNED, Settings
from webhook.policy.undercut.boxes import Cover
from webhook.policy.undercut.peers import Kind, Peer, named_namespaces, pinned_namespace, residual
from webhook.policy.world import World

_ANY_ADDRESS = AddressSet.everything()


@dataclass(frozen=True, slots=True)
class Servers:
    """DNS pods: where settings say they are; without a selector, which does not parse then, there are none."""

    namespace: str
    selector: Selector | None


@dataclass(frozen=True, slots=True)
class Addresses:
    """
    The sets of addresses that settings give; while they do not list the pods' ranges, any address can be a pod's.

    That holds of each family: who lists IPv4 ranges alone has not said that there is no IPv6.
    """

    pods: AddressSet
    declared: AddressSet  # the same without the family of which nothing is said
    outside: AddressSet
    ingress: AddressSet  # that pods may be opened to, nodes included
    egress: AddressSet
    nodes: AddressSet
    node_local: AddressSet
    are_pods_known: bool

    def listed(self, direction: Direction) -> AddressSet:
        return self.ingress if direction is Direction.INGRESS else self.egress

    @classmethod
    def of(cls, settings: Settings) -> Addresses:
        cidrs = settings.cidrs
        pods, nodes = AddressSet.from_cidrs(cidrs.pods), AddressSet.from_cidrs(cidrs.nodes)
        anywhere = AddressSet(pods.v4 or _ANY_ADDRESS.v4, pods.v6 or _ANY_ADDRESS.v6)
        return cls(
            pods=anywhere,
            declared=pods if cidrs.pods else _ANY_ADDRESS,
            outside=pods.complement() if cidrs.pods else _ANY_ADDRESS,
            ingress=AddressSet.from_cidrs(cidrs.ingress).difference(pods).union(nodes),
            egress=AddressSet.from_cidrs(cidrs.egress).difference(pods),
            nodes=nodes,
            node_local=AddressSet.from_cidrs(settings.dns.node_local),
            are_pods_known=bool(cidrs.pods),
        )


Placed = tuple[Peer, AddressSet]  # endpoints, and the addresses they can have
_KEPT_SELECTORS = 2_048


@dataclass(frozen=True, slots=True)
class Universe:
    """
    The environments there can be; a namespace that does not exist may yet be created in any declared one.

    `unnamed` are the pods of namespaces that no selector names, one kind for each environment and one for none.
    `sets` are the network sets that exist and hold an address outside the ceiling: what a set holds is judged
    together with what opens it, from whichever side comes later. What is `known` has been worked out before.
    """

    settings: Settings
    namespaces: Mapping[str, Namespace]
    environment_key: str
    environments: tuple[str, ...]
    unnamed: tuple[Peer, ...]
    addresses: Addresses
    dns: tuple[Servers, ...]
    dns_ports: PortSet
    sets: tuple[Placed, ...]
    everyone: tuple[Placed, ...]
    known_matching: dict[Selector, tuple[Placed, ...]] = field(default_factory=dict)
    known_environments: dict[str, str] = field(default_factory=dict)
    known_permits: dict[tuple[Direction, str, Peer], tuple[Cover, ...]] = field(default_factory=dict)

    def is_managed(self, namespace: str) -> bool:
        return namespace not in self.settings.exempt_namespaces

    def pods_of(self, namespace: str) -> Iterator[Peer]:
        """Pods of one namespace; where it does not exist, in whichever environment it may be created."""
        found = self.namespaces.get(namespace)
        if found is not None:
            environment = found.meta.labels.get(self.settings.environment_label)
            yield Peer(Kind.POD, self.environment_key, environment, namespace)
        elif not self.is_managed(namespace):
            yield Peer(Kind.POD, self.environment_key, None, namespace)
        else:
            for environment in self.environments:
                yield Peer(Kind.POD, self.environment_key, environment, namespace)

    def pods_named(self, names: Iterable[str]) -> Iterator[Peer]:
        for name in sorted(names):
            yield from self.pods_of(name)

    def subjects(self, selector: Selector) -> tuple[Peer, ...]:
        """
        The managed pods that a policy may select.

        A policy in a namespace says so in its selector; one that is not read as it was meant may select elsewhere.
        """
        pinned = pinned_namespace(selector)
        names = named_namespaces(selector) if pinned is None else (pinned,)
        named = self.pods_named(name for name in names if self.is_managed(name))
        candidates = (*named, *(self.unnamed if pinned is None else ()))
        return tuple(peer for peer in candidates if residual(selector, peer) is not False)

    def matching(self, selector: Selector | None) -> tuple[Placed, ...]:
        """Whoever a selector may match, with the addresses they can have; without one that is everybody."""
        if selector is None:
            return self.everyone
        found = self.known_matching.get(selector)
        if found is None:
            if len(self.known_matching) >= _KEPT_SELECTORS:
                self.known_matching.clear()
            found = self.known_matching[selector] = tuple(self._matching(selector))
        return found

    def _matching(self, selector: Selector) -> Iterator[Placed]:
        pinned = pinned_namespace(selector)
        names = named_namespaces(selector) if pinned is None else (pinned,)
        named = ((peer, self.addresses.pods) for peer in self.pods_named(names))
        others = self.everyone if pinned is None else self.sets
        for peer, addresses in (*named, *others):
            # An address that nothing names is in no set of addresses.
            if peer.kind is not Kind.OUTSIDE and residual(selector, peer) is not False:
                yield peer, addresses

    def ceiling_environment(self, subject: Peer) -> str:
        """The environment whose ceiling is a subject's, as its baseline is: `unassigned` without a declared one."""
        name = subject.namespace
        if name in self.namespaces:
            if name not in self.known_environments:
                self.known_environments[name] = environment_for(self.namespaces[name], self.settings)
            return self.known_environments[name]
        return subject.environment if subject.environment in self.environments else UNASSIGNED


_recent: list[tuple[World, Universe]] = []
_KEPT = 4  # a world, the same before a change, and what is tried on either


def universe_of(world: World) -> Universe:
    """Build it once as long as neither settings nor namespaces nor sets are others: worlds share what they keep."""
    for known, universe in _recent:
        if _same_ground(known, world):
            return universe
    built = _built(world)
    _recent[:] = [(world, built), *_recent[: _KEPT - 1]]
    return built


def _same_ground(one: World, other: World) -> bool:
    return (
        one.settings is other.settings and one.namespaces is other.namespaces and one.network_sets is other.network_sets
    )


def _built(world: World) -> Universe:
    settings = world.settings
    key = NAMESPACE_PREFIX + settings.environment_label
    declared = (*(e.name for e in settings.environments), UNASSIGNED)
    live = {world.environment_of(name) for name in world.namespaces}
    strays = sorted(value for value in live if value is not None and value not in declared)
    known = Addresses.of(settings)
    unnamed = tuple(Peer(Kind.POD, key, environment) for environment in (*declared, *strays, None))
    sets = tuple(_open_sets(world, known))
    everyone = (
        *((peer, known.pods) for peer in unnamed),
        (Peer(Kind.OUTSIDE, key), known.outside),
        (Peer(Kind.GLOBAL_SET, key), known.outside),
        (Peer(Kind.HOST, key), known.outside if known.nodes.is_empty else known.nodes),
        *sets,
    )
    return Universe(
        settings,
        world.namespaces,
        key,
        declared,
        unnamed,
        known,
        tuple(Servers(servers.namespace, _parsed(servers.selector)) for servers in settings.dns.servers),
        PortSet.of(settings.dns.ports),
        sets,
        everyone,
    )


def _parsed(text: str) -> Selector | None:
    try:
        return parse(text)
    except SelectorError:
        return None


def _open_sets(world: World, known: Addresses) -> Iterator[Placed]:
    for ref, network_set in world.network_sets.items():
        if ref.namespace:
            nets = set_addresses(network_set)
            if not (known.ingress.covers(nets) and known.egress.covers(nets)):
                yield set_peer(network_set, world), nets


def set_peer(network_set: NetworkSet, world: World) -> Peer:
    """The peer that a network set is."""
    settings = world.settings
    namespace = network_set.ref.namespace
    found = world.namespaces.get(namespace)
    environment = found.meta.labels.get(settings.environment_label) if found else None
    key = NAMESPACE_PREFIX + settings.environment_label
    return Peer(Kind.SET, key, environment, namespace, network_set.meta.labels)


def set_addresses(network_set: NetworkSet) -> AddressSet:
    """What a set holds; entries that are no network, which rules of their own refuse, hold nothing."""
    found: list[Cidr] = []
    for text in network_set.nets:
        try:
            found.append(parse_cidr(text, allow_host_bits=True, allow_address=True))
        except RangeError:
            continue
    return AddressSet.from_cidrs(found)
