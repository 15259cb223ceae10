"""Assemble: a World out of manifests, of a cluster or of files, and what in them could not be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from webhook.policy.baseline import desired, isolation_floor, manifest
from webhook.policy.environment import assign, is_exempt
from webhook.policy.objects import (
    CalicoApi,
    HostEndpoint,
    InvalidObject,
    Labels,
    Meta,
    Namespace,
    NetworkSet,
    Pod,
    Policy,
    ServiceAccount,
    ServiceEndpoints,
    Tier,
)
from webhook.policy.parse import parse, parse_policy
from webhook.policy.parse_workloads import parse_service_endpoints
from webhook.policy.settings import UNASSIGNED, Settings
from webhook.policy.world import World, frozen

Manifest = Mapping[str, Any]

_KINDS = frozenset(
    {
        *("Namespace", "Pod", "ServiceAccount", "Tier", "NetworkSet", "GlobalNetworkSet", "HostEndpoint"),
        *("NetworkPolicy", "GlobalNetworkPolicy", "StagedNetworkPolicy", "StagedGlobalNetworkPolicy"),
        *("StagedKubernetesNetworkPolicy", "ClusterNetworkPolicy", "AdminNetworkPolicy"),
        "BaselineAdminNetworkPolicy",
    }
)
_GROUPS = ("v1", "networking.k8s.io/", "projectcalico.org/", "crd.projectcalico.org/", "policy.networking.k8s.io/")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An object that cannot be read: its number in the input, and why."""

    number: int
    error: InvalidObject


@dataclass(frozen=True, slots=True)
class Assembled:
    """
    A world and what is not in it.

    `numbers` says from which input each object of the world came; `passed_over` counts the objects of other kinds.
    """

    world: World
    unreadable: tuple[Unreadable, ...]
    numbers: Mapping[object, int]
    passed_over: int


def assemble(manifests: Sequence[Manifest], settings: Settings, api: CalicoApi) -> Assembled:
    """Read all; one that cannot be read is said, and the others go on."""
    parts = _Parts()
    slices = [m for m in manifests if m.get("kind") == "EndpointSlice"]
    for number, found in enumerate(manifests):
        try:
            if found.get("kind") == "Service" and found.get("apiVersion") == "v1":
                service = parse_service_endpoints(found, slices)
                parts.services[service.namespace, service.name] = service
            elif _matters(found):
                parts.take(parse(found), number)
            else:
                parts.passed_over += 1
        except InvalidObject as e:
            parts.unreadable.append(Unreadable(number, e))
    return Assembled(parts.world(settings, api), tuple(parts.unreadable), parts.numbers, parts.passed_over)


def complete(world: World) -> World:
    """
    What the product would make of the world: every namespace that anything is in, labelled, with its baseline.

    For files, which say neither labels that admission injects nor policies that the controller writes.
    """
    named = {ref.namespace for ref in world.policies} | {place[0] for place in world.pods}
    named |= {ref.namespace for ref in world.network_sets}
    namespaces = {name: Namespace(Meta(name, uid=name)) for name in named if name}
    namespaces |= dict(world.namespaces)
    labelled = {name: _labelled(found, world.settings) for name, found in namespaces.items()}
    world = replace(world, namespaces=frozen(labelled))
    return world.with_policies(*_generated(world))


def _labelled(namespace: Namespace, settings: Settings) -> Namespace:
    labels = {**namespace.meta.labels, "kubernetes.io/metadata.name": namespace.name}
    if not is_exempt(namespace.name, settings) and settings.environment_label not in labels:
        found = assign(namespace.name, namespace.meta.labels, settings)
        labels[settings.environment_label] = found.environment or UNASSIGNED
    return replace(namespace, meta=replace(namespace.meta, labels=Labels(labels)))


def _generated(world: World) -> Iterable[Policy]:
    settings, api = world.settings, world.api
    wanted = [
        item
        for namespace in world.namespaces.values()
        if not is_exempt(namespace.name, settings) and not namespace.meta.deleting
        for item in desired(namespace, settings)
    ]
    if api is not CalicoApi.KUBERNETES:
        wanted.append(isolation_floor(settings))
    for item in wanted:
        policy = parse_policy(manifest(item, api, settings))
        if policy.ref not in world.policies:
            yield policy


def _matters(found: Manifest) -> bool:
    version = found.get("apiVersion")
    return found.get("kind") in _KINDS and isinstance(version, str) and version.startswith(_GROUPS)


class _Parts:
    """The maps of a world while they grow."""

    def __init__(self) -> None:
        self.namespaces: dict[str, Namespace] = {}
        self.tiers: dict[str, Tier] = {}
        self.policies: dict[Any, Policy] = {}
        self.pods: dict[tuple[str, str], Pod] = {}
        self.service_accounts: dict[tuple[str, str], ServiceAccount] = {}
        self.network_sets: dict[Any, NetworkSet] = {}
        self.host_endpoints: dict[Any, HostEndpoint] = {}
        self.services: dict[tuple[str, str], ServiceEndpoints] = {}
        self.unreadable: list[Unreadable] = []
        self.numbers: dict[object, int] = {}
        self.passed_over = 0

    def take(self, value: object, number: int) -> None:
        match value:
            case Namespace():
                self.namespaces[value.name] = value
            case Tier():
                self.tiers[value.name] = value
            case Policy():
                self.policies[value.ref] = value
            case Pod():
                self.pods[value.meta.namespace, value.meta.name] = value
            case ServiceAccount():
                self.service_accounts[value.meta.namespace, value.meta.name] = value
                return
            case NetworkSet():
                self.network_sets[value.ref] = value
            case HostEndpoint():
                self.host_endpoints[value.ref] = value
            case _:
                return
        self.numbers[value.ref] = number

    def world(self, settings: Settings, api: CalicoApi) -> World:
        return World(
            settings=settings,
            namespaces=frozen(self.namespaces),
            tiers=frozen(self.tiers),
            policies=frozen(self.policies),
            pods=frozen(self.pods),
            service_accounts=frozen(self.service_accounts),
            network_sets=frozen(self.network_sets),
            host_endpoints=frozen(self.host_endpoints),
            services=frozen(self.services),
            api=api,
        )
