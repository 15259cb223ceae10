"""Patch: JSON Patch operations (RFC 6902) that the mutating webhook answers with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class PatchOperation:
    op: str
    path: str
    value: Any = None


def add_label(manifest: Mapping[str, Any], key: str, value: str) -> tuple[PatchOperation, ...]:
    """The operations that give an object one label; none when it has it already."""
    return add_labels(manifest, {key: value})


def add_labels(manifest: Mapping[str, Any], labels: Mapping[str, str]) -> tuple[PatchOperation, ...]:
    """
    The operations that give an object these labels, missing maps first.

    An object made by generateName has no labels when it is mutated, and JSON Patch adds nothing to what is missing.
    """
    metadata = manifest.get("metadata")
    present = metadata.get("labels") if isinstance(metadata, dict) else None
    had = present if isinstance(present, dict) else {}
    missing = sorted((key, value) for key, value in labels.items() if had.get(key) != value)
    if not missing:
        return ()
    operations: list[PatchOperation] = []
    if not isinstance(metadata, dict):
        operations.append(PatchOperation("add", "/metadata", {}))
    if not isinstance(present, dict):
        operations.append(PatchOperation("add", "/metadata/labels", {}))
    operations += [PatchOperation("add", f"/metadata/labels/{pointer(key)}", value) for key, value in missing]
    return tuple(operations)


def pointer(key: str) -> str:
    """One reference token of a JSON Pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")
