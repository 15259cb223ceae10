"""Cast: concrete pods, sets and addresses that stand for two kinds of endpoint, real ones where the world has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from webhook.policy.endpoints import PodRef, labels_of
from webhook.policy.objects import (
    HostEndpoint,
    Labels,
    Meta,
    NamedPort,
    Namespace,
    NetworkSet,
    Pod,
    Ref,
    ServiceAccount,
)
from webhook.policy.ranges import AddressSet, Cidr, Family, RangeError, parse_address
from webhook.policy.selectors import NAMESPACE, NAMESPACE_PREFIX, SERVICE_ACCOUNT, SERVICE_ACCOUNT_PREFIX, Selector
from webhook.policy.undercut.peers import METADATA_NAME, Kind, Peer
from webhook.policy.undercut.universe import set_addresses
from webhook.policy.world import World

# Addresses that readers know for examples come first (RFC 5737, RFC 3849), and for pods those they see every day.
_POD_ADDRESSES = ("10.244.1.10", "10.244.2.20", "fd00:10:244:1::10", "fd00:10:244:2::20")
_OUTSIDE_ADDRESSES = ("203.0.113.10", "198.51.100.10", "192.0.2.10", "2001:db8::10")
_MAX_REAL = 6


@dataclass(frozen=True, slots=True)
class Actor:
    """One end of an example: what must be in the world for it, and how to speak of it."""

    end: PodRef | Cidr
    address: Cidr
    text: str
    is_real: bool = False
    namespace: Namespace | None = None
    pod: Pod | None = None
    account: ServiceAccount | None = None
    network_set: NetworkSet | None = None
    host: HostEndpoint | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """What an end of the example must be: a kind of endpoint, conditions on its labels and labels that meet them."""

    peer: Peer
    conditions: tuple[Selector, ...]
    labels: Mapping[str, str]
    addresses: AddressSet
    port: NamedPort | None = None


def actors(part: Part, family: Family, world: World, taken: Sequence[Actor]) -> Iterator[Actor]:
    """Candidates for a part, the most telling first: real pods, then one in a real namespace, then one made up."""
    kind = part.peer.kind
    if kind is Kind.POD:
        if part.port is None:
            yield from islice(_real_pods(part, family, world, taken), _MAX_REAL)
        for namespace in _namespaces(part, world, taken):
            yield _made_up_pod(part, family, namespace, world, taken)
        return
    address = pick(part.addresses, family, _OUTSIDE_ADDRESSES, taken)
    if kind is Kind.OUTSIDE:
        yield Actor(address, address, f"address {address.address}")
    elif kind is Kind.GLOBAL_SET:
        meta = Meta("example", labels=Labels(part.labels))
        ref = Ref("projectcalico.org", "GlobalNetworkSet", "", "example")
        network_set = NetworkSet(meta, ref, (str(address),))
        said = f"GlobalNetworkSet{_worn(part.labels)}"
        yield Actor(address, address, f"address {address.address} (in a {said})", network_set=network_set)
    elif kind is Kind.HOST:
        ports = (part.port,) if part.port is not None else ()
        meta = Meta("example", labels=Labels(part.labels))
        ref = Ref("projectcalico.org", "HostEndpoint", "", "example")
        host = HostEndpoint(meta, ref, (address.address,), named_ports=ports)
        yield Actor(address, address, f"host {address.address} (a HostEndpoint{_worn(part.labels)})", host=host)
    else:
        yield _set_actor(part, address, world, taken)


def pick(addresses: AddressSet, family: Family, preferred: Sequence[str], taken: Sequence[Actor]) -> Cidr:
    """One address of the set that no other actor has, one that readers know where possible."""
    used = {actor.address for actor in taken}
    for text in preferred:
        address = parse_address(text)
        if address.family == family and addresses.contains(address) and address not in used:
            return address
    intervals = addresses.v4 if family == 4 else addresses.v6
    length = 32 if family == 4 else 128
    for low, high in intervals:
        # Not the first ones: these are networks' and gateways' own.
        for number in (low + 10, low + 11, low, high):
            address = Cidr(family, number, length)
            if low <= number <= high and address not in used:
                return address
    return Cidr(family, intervals[0][0], length)


def _real_pods(part: Part, family: Family, world: World, taken: Sequence[Actor]) -> Iterator[Actor]:
    used = {actor.end for actor in taken}
    places = {namespace.name for namespace in _live(part.peer, world, taken)}
    for (name, _), pod in world.pods.items():
        ref = PodRef(pod.meta.namespace, pod.meta.name)
        if name not in places or pod.host_network or ref in used:
            continue
        address = next((found for found in _addresses(pod) if found.family == family), None)
        if address is None or not part.addresses.contains(address):
            continue
        labels = labels_of(pod, world)
        if all(condition.matches(labels) for condition in part.conditions):
            namespace = world.namespaces[name]
            account = world.service_accounts.get((name, pod.service_account))
            text = f"pod {name}/{pod.meta.name}{_environment(namespace, world)}"
            yield Actor(ref, address, text, is_real=True, namespace=namespace, pod=pod, account=account)


def _addresses(pod: Pod) -> Iterator[Cidr]:
    for text in pod.addresses:
        try:
            yield parse_address(text)
        except RangeError:
            continue


def _live(peer: Peer, world: World, taken: Sequence[Actor]) -> Iterator[Namespace]:
    """The namespaces of the world that are of the kind; two parts are in different ones unless both say which."""
    used = {actor.namespace.name for actor in taken if actor.namespace is not None}
    for namespace in world.namespaces.values():
        if peer.namespace:
            is_right = namespace.name == peer.namespace
        else:
            environment = namespace.meta.labels.get(world.settings.environment_label)
            is_right = environment == peer.environment and namespace.name not in used
        if is_right and (peer.namespace or world.is_managed(namespace.name)):
            yield namespace


def _namespaces(part: Part, world: World, taken: Sequence[Actor]) -> Iterator[Namespace]:
    asked = {
        key.removeprefix(NAMESPACE_PREFIX): value
        for key, value in part.labels.items()
        if key.startswith(NAMESPACE_PREFIX)
    }
    fitting = (
        namespace
        for namespace in _live(part.peer, world, taken)
        if all(namespace.meta.labels.get(key) == value for key, value in asked.items())
    )
    if NAMESPACE not in part.labels:
        yield from islice(fitting, 2)
    yield from _made_up_namespaces(part, asked, world, taken)


def _made_up_namespaces(part: Part, asked: dict[str, str], world: World, taken: Sequence[Actor]) -> Iterator[Namespace]:
    peer = part.peer
    wanted = peer.namespace or part.labels.get(NAMESPACE) or f"{peer.environment or 'unlabelled'}-example"
    used = {*world.namespaces, *(actor.namespace.name for actor in taken if actor.namespace is not None)}
    if not peer.namespace and wanted in used:
        # Begins, ends and contains what the name itself does, and is no name that a selector spells out.
        wanted = f"{wanted}-x-{wanted}"
    labels = {**asked, METADATA_NAME: wanted}
    if peer.environment is not None:
        labels[world.settings.environment_label] = peer.environment
    yield Namespace(Meta(wanted, labels=Labels(labels)))


def _made_up_pod(part: Part, family: Family, namespace: Namespace, world: World, taken: Sequence[Actor]) -> Actor:
    address = pick(part.addresses, family, _POD_ADDRESSES, taken)
    own = {
        key: value
        for key, value in part.labels.items()
        if not key.startswith((NAMESPACE_PREFIX, SERVICE_ACCOUNT_PREFIX)) and key not in (NAMESPACE, SERVICE_ACCOUNT)
    }
    account_labels = {
        key.removeprefix(SERVICE_ACCOUNT_PREFIX): value
        for key, value in part.labels.items()
        if key.startswith(SERVICE_ACCOUNT_PREFIX)
    }
    account_name = part.labels.get(SERVICE_ACCOUNT, "default")
    name = "example"
    while any(actor.end == PodRef(namespace.name, name) for actor in taken) or (namespace.name, name) in world.pods:
        name += "-x"
    pod = Pod(
        Meta(name, namespace.name, labels=Labels(own)),
        (address.address,),
        account_name,
        named_ports=(part.port,) if part.port is not None else (),
    )
    account = ServiceAccount(Meta(account_name, namespace.name, labels=Labels(account_labels)))
    shown = {**own, **({"serviceAccount": account_name} if SERVICE_ACCOUNT in part.labels else {})}
    text = f"a pod of {_place(namespace, world)}{_worn(shown)}{_environment(namespace, world)}"
    return Actor(PodRef(namespace.name, name), address, text, namespace=namespace, pod=pod, account=account)


def _place(namespace: Namespace, world: World) -> str:
    if namespace.name in world.namespaces or not world.is_managed(namespace.name):
        return namespace.name
    known = (METADATA_NAME, world.settings.environment_label)
    others = {key: value for key, value in namespace.meta.labels.items() if key not in known}
    return f"a namespace such as {namespace.name}{_worn(others)}"


def _set_actor(part: Part, address: Cidr, world: World, taken: Sequence[Actor]) -> Actor:
    """A set that exists, in its namespace as it is or may yet be labelled."""
    peer = part.peer
    found = next(
        known
        for ref, known in world.network_sets.items()
        if ref.namespace == peer.namespace
        and known.meta.labels == peer.labels
        and set_addresses(known).contains(address)
    )
    there = (actor.namespace for actor in taken if actor.namespace is not None)
    namespace = next((known for known in there if known.name == peer.namespace), None)
    if namespace is None:
        labels = {METADATA_NAME: peer.namespace}
        if peer.environment is not None:
            labels[world.settings.environment_label] = peer.environment
        labels |= {key.removeprefix(NAMESPACE_PREFIX): value for key, value in part.labels.items()}
        namespace = Namespace(Meta(peer.namespace, labels=Labels(labels)))
    text = f"address {address.address} (in {found.ref})"
    return Actor(address, address, text, is_real=True, namespace=namespace, network_set=found)


def _environment(namespace: Namespace, world: World) -> str:
    key = world.settings.environment_label
    value = namespace.meta.labels.get(key)
    return f" ({key}={value})" if value is not None else f" (without {key})"


def _worn(labels: Mapping[str, str]) -> str:
    return f" with {', '.join(f'{key}={value}' for key, value in sorted(labels.items()))}" if labels else ""
