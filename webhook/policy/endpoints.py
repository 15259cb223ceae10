"""Endpoints: the labels that Calico gives to pods, network sets and host endpoints, and who has which address."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from webhook.policy.nets import nets_in_force
from webhook.policy.objects import HostEndpoint, Labels, NamedPort, NetworkSet, Pod
from webhook.policy.ranges import AddressSet, Cidr
from webhook.policy.selectors import NAMESPACE, NAMESPACE_PREFIX, SERVICE_ACCOUNT, SERVICE_ACCOUNT_PREFIX
from webhook.policy.world import World

ORCHESTRATOR = "projectcalico.org/orchestrator"
NAME = "projectcalico.org/name"
_INHERITED = (NAMESPACE_PREFIX, SERVICE_ACCOUNT_PREFIX)
# A service account of 63 or more characters has no label of its own (libcalico-go, workload_endpoint_default.go).
_LAST_ACCOUNT_LABEL = 62


@dataclass(frozen=True, slots=True)
class PodRef:
    """A pod, by name."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"pod {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, eq=False)
class Peer:
    """Something that a rule's selector can match at an address."""

    labels: Labels
    named_ports: tuple[NamedPort, ...] = ()


def labels_of(pod: Pod, world: World) -> Labels:
    """
    Return the labels that selectors see on a pod: its own, and those of its namespace and its service account.

    Of its own, what looks inherited is taken away and Calico's three labels are overwritten.
    """
    labels = {key: value for key, value in pod.meta.labels.items() if not key.startswith(_INHERITED)}
    labels[NAMESPACE] = pod.meta.namespace
    labels[ORCHESTRATOR] = "k8s"
    if pod.service_account and len(pod.service_account) <= _LAST_ACCOUNT_LABEL:
        labels[SERVICE_ACCOUNT] = pod.service_account
    profiles = (f"kns.{pod.meta.namespace}", f"ksa.{pod.meta.namespace}.{pod.service_account}")
    return Labels({**_lent(profiles, world), **labels})


def labels_of_set(network_set: NetworkSet, world: World) -> Labels:
    """A NetworkSet inherits its namespace's labels; what it carries itself wins, reserved labels too."""
    own = dict(network_set.meta.labels)
    namespace = network_set.meta.namespace
    if not namespace:
        return Labels(own)
    own[NAMESPACE] = namespace
    return Labels({**_lent((f"kns.{namespace}",), world), **own})


def labels_of_host(endpoint: HostEndpoint, world: World) -> Labels:
    return Labels({**_lent(endpoint.profiles, world), **endpoint.meta.labels})


def has_profile(namespace: str, world: World) -> bool:
    """Say whether the profile kns.<namespace> exists, which allows what no policy decides."""
    return namespace in world.namespaces


def _lent(profiles: tuple[str, ...], world: World) -> Mapping[str, str]:
    labels: dict[str, str] = {}
    for profile in profiles:
        kind, _, name = profile.partition(".")
        if kind == "kns" and name in world.namespaces:
            found = world.namespaces[name].meta.labels
            labels.update({NAMESPACE_PREFIX + key: value for key, value in found.items()})
            labels[NAMESPACE_PREFIX + NAME] = name
        elif kind == "ksa":
            namespace, _, account = name.partition(".")
            if (namespace, account) in world.service_accounts:
                found = world.service_accounts[namespace, account].meta.labels
                labels.update({SERVICE_ACCOUNT_PREFIX + key: value for key, value in found.items()})
                labels[SERVICE_ACCOUNT_PREFIX + NAME] = account
    return labels


class Directory:
    """Which peers stand at an address; a pod without one has an address of its own that no range holds."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._pods: dict[PodRef, Peer] = {}
        self._addresses: dict[PodRef, tuple[Cidr, ...]] = {}
        self._at: dict[Cidr, list[Peer]] = {}
        self._owners: dict[Cidr, PodRef] = {}
        for pod in world.pods.values():
            ref = PodRef(pod.meta.namespace, pod.meta.name)
            addresses = self._addresses[ref] = nets_in_force(pod.addresses)
            if pod.host_network:
                continue
            peer = self._pods[ref] = Peer(labels_of(pod, world), pod.named_ports)
            for address in addresses:
                self._at.setdefault(address, []).append(peer)
                self._owners.setdefault(address, ref)
        for endpoint in world.host_endpoints.values():
            host = Peer(labels_of_host(endpoint, world), endpoint.named_ports)
            for address in nets_in_force(endpoint.addresses):
                if address.is_address:
                    self._at.setdefault(address, []).append(host)
        self._sets = [
            (AddressSet.from_cidrs(nets_in_force(found.nets)), Peer(labels_of_set(found, world)))
            for found in world.network_sets.values()
        ]
        self._peers: dict[Cidr, tuple[Peer, ...]] = {}

    def owner(self, address: Cidr) -> PodRef | None:
        """Return the pod whose address this is."""
        return self._owners.get(address)

    def addresses(self, pod: PodRef) -> tuple[Cidr, ...]:
        """
        Return a pod's addresses, also of one that uses the host's.

        Raises:
            KeyError: when there is no such pod.
        """
        return self._addresses[pod]

    def labels(self, pod: PodRef) -> Labels | None:
        """Return None for a pod that is not there, or that has no endpoint of its own because it uses the host's."""
        peer = self._pods.get(pod)
        return None if peer is None else peer.labels

    def peers(self, address: Cidr | None, pod: PodRef | None) -> tuple[Peer, ...]:
        """Return all peers at an address; without an address, the pod alone."""
        if address is None:
            return (self._pods[pod],) if pod is not None and pod in self._pods else ()
        found = self._peers.get(address)
        if found is None:
            found = self._peers[address] = (*self._at.get(address, ()), *self._sets_at(address))
        return found

    def _sets_at(self, address: Cidr) -> Iterator[Peer]:
        return (peer for nets, peer in self._sets if nets.contains(address))
