"""Shapes: the smallest manifests that are valid, for tests to change in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Manifest = dict[str, Any]

V1, V3 = "crd.projectcalico.org/v1", "projectcalico.org/v3"
KUBERNETES = "networking.k8s.io/v1"


def namespace(name: str, **labels: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name, **labels}},
    }


def pod(place: str, name: str, *addresses: str, labels: Mapping[str, str] | None = None, **spec: Any) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": place, "name": name, "labels": dict(labels or {})},
        "spec": {"containers": [], **spec},
        "status": {"phase": "Running", "podIPs": [{"ip": address} for address in addresses]},
    }


def calico(
    kind: str, name: str, place: str = "", *, version: str = V3, labels: Mapping[str, str] | None = None, **spec: Any
) -> Manifest:
    metadata: Manifest = {
        "name": name,
        **({"namespace": place} if place else {}),
        **({"labels": dict(labels)} if labels else {}),
    }
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def distinct(manifests: Sequence[Manifest]) -> list[Manifest]:
    """Leave out what would overwrite another object of the same group, kind, namespace and name."""
    found: dict[tuple[str, ...], Manifest] = {}
    for manifest in manifests:
        metadata = manifest["metadata"]
        group = manifest["apiVersion"].rpartition("/")[0]
        found.setdefault((group, manifest["kind"], metadata.get("namespace", ""), metadata["name"]), manifest)
    return list(found.values())
