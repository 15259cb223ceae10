"""Sources: the world of a cluster or of files, for commands that look at it once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from webhook.api import RESOURCES, Cluster, Manifest, NotFound
from webhook.manifests import Sourced, read
from webhook.observe import resources_of
from webhook.policy.assemble import Assembled, assemble, complete
from webhook.policy.objects import CalicoApi, InvalidObject, Ref
from webhook.policy.settings import Settings
from webhook.policy.world import World

Progress = Callable[[str], None]
_LOOK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Source:
    """A world, where its objects stand (`place` of an object is empty in a cluster), and what could not be read."""

    world: World
    places: dict[Ref, Sourced]
    unreadable: tuple[tuple[str, InvalidObject], ...]

    def place(self, ref: Ref) -> str:
        found = self.places.get(ref)
        return found.place if found else ""


def from_files(paths: Sequence[str], settings: Settings, api: CalicoApi) -> Source:
    """
    What files say, completed by what the product would add: labels, baselines, the isolation floor.

    Raises:
        InvalidObject: for a file that is not made of objects.
    """
    found = list(read(paths))
    assembled = assemble([s.manifest for s in found], settings, api)
    places = {ref: found[number] for ref, number in assembled.numbers.items() if isinstance(ref, Ref)}
    unreadable = tuple((found[u.number].place, u.error) for u in assembled.unreadable)
    return Source(complete(assembled.world), places, unreadable)


def from_cluster(cluster: Cluster, settings: Settings, api: CalicoApi, progress: Progress) -> Source:
    """
    What a cluster holds, as it is.

    Raises:
        ClusterError: when anything cannot be listed; half a world would be judged as if it were whole.
    """
    manifests: list[Manifest] = []
    kinds = {resource: key for key, resource in RESOURCES.items()}
    resources = [
        *resources_of(api, workloads=True),
        RESOURCES["v1", "Service"],
        RESOURCES["discovery.k8s.io/v1", "EndpointSlice"],
    ]
    for resource in resources:
        progress(f"reading {resource}")
        api_version, kind = kinds[resource]
        try:
            items = cluster.list(resource, timeout=_LOOK_SECONDS).items
        except NotFound:
            continue  # not every cluster serves every kind
        manifests += [{**item, "apiVersion": api_version, "kind": kind} for item in items]
    assembled: Assembled = assemble(manifests, settings, api)
    unreadable = tuple((_named(manifests[u.number]), u.error) for u in assembled.unreadable)
    return Source(assembled.world, {}, unreadable)


def _named(manifest: Manifest) -> str:
    metadata = manifest.get("metadata") or {}
    return "/".join(filter(None, (str(manifest.get("kind")), metadata.get("namespace"), metadata.get("name"))))
