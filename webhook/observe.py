"""Observe: the cluster as one immutable World, kept up to date by watches; what it means is decided elsewhere."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from webhook.api import RESOURCES, Cluster, Listing, Manifest, Resource, name_of, namespace_of, version_of
from webhook.policy.objects import (
    CalicoApi,
    HostEndpoint,
    InvalidObject,
    Namespace,
    NetworkSet,
    Pod,
    Policy,
    ServiceAccount,
    Tier,
)
from webhook.policy.settings import Settings
from webhook.policy.world import World, frozen
from webhook.reflect import Reflector

log = logging.getLogger(__name__)

Parse = Callable[[Manifest], object]
KINDS: Mapping[Resource, tuple[str, str]] = {resource: key for key, resource in RESOURCES.items()}
_CALICO_KINDS = (
    "Tier",
    "NetworkPolicy",
    "GlobalNetworkPolicy",
    "StagedNetworkPolicy",
    "StagedGlobalNetworkPolicy",
    "StagedKubernetesNetworkPolicy",
    "NetworkSet",
    "GlobalNetworkSet",
    "HostEndpoint",
)
_MAPS = ("namespaces", "tiers", "policies", "pods", "service_accounts", "network_sets", "host_endpoints")


def resources_of(api: CalicoApi, *, workloads: bool = False) -> tuple[Resource, ...]:
    """What there is to observe in an API mode; `workloads` adds pods and service accounts, of which there are many."""
    chosen = [
        RESOURCES["v1", "Namespace"],
        RESOURCES["networking.k8s.io/v1", "NetworkPolicy"],
        RESOURCES["policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy"],
        RESOURCES["policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy"],
        RESOURCES["policy.networking.k8s.io/v1alpha1", "BaselineAdminNetworkPolicy"],
    ]
    # Without Calico's resources to write, those of v1 may still be written by others.
    version = "crd.projectcalico.org/v1" if api is CalicoApi.KUBERNETES else api.api_version
    chosen += [RESOURCES[version, kind] for kind in _CALICO_KINDS]
    if workloads:
        chosen += [RESOURCES["v1", "Pod"], RESOURCES["v1", "ServiceAccount"]]
    return tuple(chosen)


@dataclass(frozen=True, slots=True)
class Seen:
    """
    Something happened to one object. `value` is what it is now (None: deleted, or unreadable), `listed` that it came
    with a list, so that when it happened is not known.
    """

    resource: Resource
    namespace: str
    name: str
    value: object | None
    deleted: bool = False
    listed: bool = False


@dataclass(slots=True)
class _Entry:
    version: int
    place: tuple[str, Any] | None  # which map of the world, and the key there; None for what could not be read


class Mirror:
    """
    The sink of all reflectors: holds the parsed objects and publishes them as a World when one is asked for.

    A burst of events costs one copy of the maps that changed, at the next question; a question after an event always
    sees it.
    """

    def __init__(
        self,
        settings: Settings,
        api: CalicoApi,
        parse: Parse,
        *,
        keeps: Callable[[Resource, str, str], bool] = lambda resource, namespace, name: False,
    ) -> None:
        self._parse = parse
        self._keeps = keeps
        self._kept: dict[tuple[Resource, str], dict[str, Manifest]] = {}
        self._lock = threading.RLock()
        self._maps: dict[str, dict[Any, Any]] = {name: {} for name in _MAPS}
        self._entries: dict[Resource, dict[tuple[str, str], _Entry]] = {}
        self._told: dict[Resource, int] = {}
        self._changed: set[str] = set()
        self._world = World(settings=settings, api=api)
        self._listeners: list[Callable[[Seen], None]] = []
        self.unreadable: dict[tuple[Resource, str, str], str] = {}

    def world(self) -> World:
        if self._changed:
            with self._lock:
                for name in self._changed:
                    # A dict from which something was deleted is copied eight times as slowly until it is made anew.
                    self._maps[name] = dict(self._maps[name])
                maps: dict[str, Any] = {name: frozen(self._maps[name]) for name in self._changed}
                self._world = replace(self._world, **maps)
                # Last: until then others who ask wait for the lock instead of reading the world before.
                self._changed = set()
        return self._world

    def use(self, settings: Settings) -> None:
        with self._lock:
            self._world = replace(self.world(), settings=settings)

    def subscribe(self, listener: Callable[[Seen], None]) -> None:
        """Be told of every change, after the World has it; called by the watching threads, so return at once."""
        self._listeners.append(listener)

    def replace(self, resource: Resource, listing: Listing) -> None:
        with self._lock:
            known = set(self._entries.get(resource, ()))
            seen = [self._take(resource, manifest, listed=True) for manifest in listing.items]
            present = {(namespace_of(manifest), name_of(manifest)) for manifest in listing.items}
            version = _ordinal(listing.resource_version)
            self._told[resource] = version
            seen += [self._drop(resource, *place, version) for place in known - present]
        self._tell(seen)

    def apply(self, resource: Resource, event: str, manifest: Manifest) -> None:
        with self._lock:
            version = _ordinal(version_of(manifest))
            self._told[resource] = max(version, self._told.get(resource, 0))
            if event == "DELETED":
                seen = self._drop(resource, namespace_of(manifest), name_of(manifest), version)
            else:
                seen = self._take(resource, manifest)
        self._tell([seen])

    def manifests(self, resource: Resource, namespace: str) -> dict[str, Manifest]:
        """The objects that are kept as they are stored, by name; nobody changes what is in them."""
        with self._lock:
            return dict(self._kept.get((resource, namespace), ()))

    def note(self, resource: Resource, manifest: Manifest) -> None:
        """What a write of our own was answered with: known from now on, before the watch brings it."""
        with self._lock:
            # The watch may have been faster than the answer, and have told of a deletion since: what it has told of
            # is never taken back, or an object that is gone would stay with us until the next list.
            version = _ordinal(version_of(manifest))
            if version == 0 or version > self._told.get(resource, 0):
                self._take(resource, manifest)

    def _take(self, resource: Resource, manifest: Manifest, *, listed: bool = False) -> Seen | None:
        place = (namespace_of(manifest), name_of(manifest))
        entries = self._entries.setdefault(resource, {})
        entry = entries.get(place)
        version = _ordinal(version_of(manifest))
        # The watch may be behind what `note` brought.
        if entry is not None and version <= entry.version and version:
            return None
        value = self._read(resource, place, manifest)
        where = _place(value)
        if entry is not None and entry.place is not None and entry.place != where:
            self._put(entry.place, None)
        if where is not None:
            self._put(where, value)
        entries[place] = _Entry(version, where)
        if self._keeps(resource, *place):
            api_version, kind = KINDS[resource]
            metadata = {key: value for key, value in manifest["metadata"].items() if key != "managedFields"}
            kept = {**manifest, "apiVersion": api_version, "kind": kind, "metadata": metadata}
            self._kept.setdefault((resource, place[0]), {})[place[1]] = kept
        return Seen(resource, *place, value, listed=listed)

    def _drop(self, resource: Resource, namespace: str, name: str, version: int) -> Seen | None:
        entries = self._entries.get(resource, {})
        entry = entries.get((namespace, name))
        # What `note` brought may be younger than this deletion.
        if entry is None or 0 < version < entry.version:
            return None
        del entries[namespace, name]
        if kept := self._kept.get((resource, namespace)):
            kept.pop(name, None)
            if not kept:
                del self._kept[resource, namespace]
        self.unreadable.pop((resource, namespace, name), None)
        if entry.place is not None:
            self._put(entry.place, None)
        return Seen(resource, namespace, name, None, deleted=True)

    def _put(self, place: tuple[str, Any], value: object | None) -> None:
        section, key = place
        if value is None:
            self._maps[section].pop(key, None)
        else:
            self._maps[section][key] = value
        self._changed.add(section)

    def _read(self, resource: Resource, place: tuple[str, str], manifest: Manifest) -> object | None:
        # Items of a list do not say what they are.
        api_version, kind = KINDS[resource]
        try:
            value = self._parse({**manifest, "apiVersion": api_version, "kind": kind})
        except InvalidObject as e:
            text = str(e)
            if self.unreadable.get((resource, *place)) != text:
                log.warning("event=unreadable resource=%s namespace=%s name=%s error=%r", resource, *place, text)
            self.unreadable[resource, *place] = text
            return None
        self.unreadable.pop((resource, *place), None)
        return value

    def _tell(self, seen: Iterable[Seen | None]) -> None:
        for what in seen:
            if what is not None:
                for listener in self._listeners:
                    listener(what)


class Observer:
    """The reflectors of all resources and the World that they keep; started after any fork, by whoever needs it."""

    def __init__(
        self,
        cluster: Cluster,
        settings: Settings,
        api: CalicoApi,
        *,
        parse: Parse,
        resources: Iterable[Resource] = (),
        keeps: Callable[[Resource, str, str], bool] = lambda resource, namespace, name: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.mirror = Mirror(settings, api, parse, keeps=keeps)
        self._clock = clock
        self._reflectors = [
            Reflector(cluster, resource, self.mirror, clock=clock) for resource in resources or resources_of(api)
        ]
        self._threads: list[threading.Thread] = []

    @property
    def world(self) -> World:
        return self.mirror.world()

    def start(self) -> None:
        for reflector in self._reflectors:
            thread = threading.Thread(target=reflector.run, name=f"watch-{reflector.resource}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        for reflector in self._reflectors:
            reflector.stop()
        end = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def age(self) -> float:
        """Seconds since the API server was last heard of on the resource where that is longest ago."""
        return self._clock() - min(reflector.contact for reflector in self._reflectors)

    def is_synced(self) -> bool:
        return all(reflector.synced.is_set() for reflector in self._reflectors)

    def wait_synced(self, timeout: float) -> bool:
        end = time.monotonic() + timeout
        return all(reflector.synced.wait(max(0.0, end - time.monotonic())) for reflector in self._reflectors)

    def unsynced(self) -> dict[str, str]:
        """What has never been listed, and what the API server said to that."""
        return {str(r.resource): r.error or "not asked yet" for r in self._reflectors if not r.synced.is_set()}


def _place(value: object | None) -> tuple[str, Any] | None:
    match value:
        case Namespace():
            return "namespaces", value.name
        case Tier():
            return "tiers", value.name
        case Policy():
            return "policies", value.ref
        case NetworkSet():
            return "network_sets", value.ref
        case HostEndpoint():
            return "host_endpoints", value.ref
        case Pod():
            return "pods", (value.meta.namespace, value.meta.name)
        case ServiceAccount():
            return "service_accounts", (value.meta.namespace, value.meta.name)
        case _:
            return None


def _ordinal(version: str) -> int:
    # Kubernetes promises that resourceVersions of one resource are integers that grow; a server that breaks the
    # promise gets 0 here, and every event of its is taken.
    return int(version) if version.isascii() and version.isdigit() else 0
