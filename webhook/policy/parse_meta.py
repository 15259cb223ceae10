"""Metadata of manifests: names, labels, deletion, and the annotation in which Calico's v1 objects keep theirs."""

from __future__ import annotations

import json
from collections.abc import Mapping

from webhook.policy.fields import Json, Manifest, child, items, labels, mapping, text, texts
from webhook.policy.objects import (
    TIER_DEFAULT,
    Defect,
    DefectKind,
    InvalidObject,
    Labels,
    Meta,
    OwnerReference,
    Ref,
)

CALICO_V3 = "projectcalico.org/v3"
CALICO_V1 = "crd.projectcalico.org/v1"
METADATA = "projectcalico.org/metadata"
METADATA_PATH = f"metadata.annotations['{METADATA}']"
MOST_DEFECTS = 1_000  # each costs some 20 µs, and no denial can list them
_DEFAULT_PREFIX = "default."


class Notes:
    """What the reading of one object finds out: its defects, and whether Felix would treat the object as missing."""

    def __init__(self) -> None:
        self._found: dict[tuple[DefectKind, str], Defect] = {}
        self.ignored = False

    def add(self, kind: DefectKind, path: str, text: str, message: str, *, ignored: bool = False) -> None:
        """
        Note one defect; of two of a kind at one place, the first.

        Raises:
            InvalidObject: when there are so many that reading on only serves whoever wrote them.
        """
        if len(self._found) >= MOST_DEFECTS:
            raise InvalidObject(path, f"more than {MOST_DEFECTS} places before this one are wrong")
        self._found.setdefault((kind, path), Defect(kind, path, text, message))
        self.ignored = self.ignored or ignored

    def __len__(self) -> int:
        return len(self._found)

    @property
    def defects(self) -> tuple[Defect, ...]:
        return tuple(self._found.values())


def canonical_name(name: str, tier: str = TIER_DEFAULT) -> str:
    """
    Return the name that a v3 client sees: up to Calico 3.31 a v1 object of the default tier is stored as `default.X`.

    From 3.32 on both names are equal, and a policy may really be called `default.X`: compare, never store the result.
    """
    return name.removeprefix(_DEFAULT_PREFIX) if tier in ("", TIER_DEFAULT) else name


def api_version(manifest: Manifest) -> str:
    return text(manifest.get("apiVersion"), "apiVersion")


def ref_of(manifest: Manifest, meta: Meta) -> Ref:
    group, slash, _ = api_version(manifest).rpartition("/")
    return Ref(group if slash else "", text(manifest.get("kind"), "kind"), meta.namespace, meta.name)


def read_meta(manifest: Manifest, notes: Notes, *, namespace: str | None) -> Meta:
    """
    Read the metadata; `namespace` is where an object without one goes, None for a kind that has no namespace.

    In `crd.projectcalico.org/v1`, what the annotation `projectcalico.org/metadata` holds is part of it.
    """
    raw = child(manifest, "metadata", "")
    found_namespace = text(raw.get("namespace"), "metadata.namespace")
    meta = Meta(
        name=_name(raw),
        namespace="" if namespace is None else found_namespace or namespace,
        uid=text(raw.get("uid"), "metadata.uid"),
        labels=labels(raw.get("labels"), "metadata.labels"),
        annotations=labels(raw.get("annotations"), "metadata.annotations"),
        owner_references=_owners(raw.get("ownerReferences"), "metadata.ownerReferences"),
        finalizers=texts(raw.get("finalizers"), "metadata.finalizers"),
        deleting=raw.get("deletionTimestamp") is not None,
        created=text(raw.get("creationTimestamp"), "metadata.creationTimestamp"),
        resource_version=text(raw.get("resourceVersion"), "metadata.resourceVersion"),
    )
    if api_version(manifest) == CALICO_V1 and METADATA in meta.annotations:
        return _with_annotation(meta, notes)
    return meta


def _name(raw: Manifest) -> str:
    name = text(raw.get("name"), "metadata.name")
    # A name that the API server is about to generate is not there yet when a mutating webhook is asked.
    if not name and not text(raw.get("generateName"), "metadata.generateName"):
        raise InvalidObject("metadata.name", "expected a name")
    return name


def _owners(value: Json, path: str) -> tuple[OwnerReference, ...]:
    owners = []
    for at, item in enumerate(items(value, path)):
        place = f"{path}[{at}]"
        raw = mapping(item, place)
        fields = {key: text(raw.get(key), f"{place}.{key}") for key in ("apiVersion", "kind", "name", "uid")}
        owners.append(OwnerReference(fields["apiVersion"], fields["kind"], fields["name"], fields["uid"]))
    return tuple(owners)


def _with_annotation(meta: Meta, notes: Notes) -> Meta:
    """
    Merge what Calico keeps of the v3 object's metadata in an annotation of the v1 object.

    Labels are those of both places: which of them a v3 client sees differs between versions of Calico.
    """
    stored = meta.annotations[METADATA]

    def wrong(message: str) -> None:
        notes.add(DefectKind.METADATA_ANNOTATION, METADATA_PATH, stored, message)

    own = {key: value for key, value in meta.annotations.items() if key != METADATA}
    try:
        # RecursionError: nested deeper than the reader goes.
        raw = mapping(json.loads(stored), METADATA_PATH)
        inner = Meta(
            name=text(raw.get("name"), f"{METADATA_PATH}.name"),
            namespace=text(raw.get("namespace"), f"{METADATA_PATH}.namespace"),
            labels=labels(raw.get("labels"), f"{METADATA_PATH}.labels"),
            annotations=labels(raw.get("annotations"), f"{METADATA_PATH}.annotations"),
            owner_references=_owners(raw.get("ownerReferences"), f"{METADATA_PATH}.ownerReferences"),
            finalizers=texts(raw.get("finalizers"), f"{METADATA_PATH}.finalizers"),
            deleting=raw.get("deletionTimestamp") is not None,
            created=text(raw.get("creationTimestamp"), f"{METADATA_PATH}.creationTimestamp"),
        )
    except (ValueError, RecursionError):
        wrong("cannot be read as JSON")
        return meta
    except InvalidObject as error:
        wrong(f"cannot be read: {error.message}")
        return meta
    if inner.name and inner.name not in (meta.name, canonical_name(meta.name)):
        wrong(f"names another object than `{meta.name}`")
    elif inner.namespace not in ("", meta.namespace):
        wrong(f"names another namespace than `{meta.namespace}`")
    return Meta(
        name=meta.name,
        namespace=meta.namespace,
        uid=meta.uid,
        labels=_union(inner.labels, meta.labels),
        annotations=_union(inner.annotations, own),
        owner_references=inner.owner_references
        + tuple(owner for owner in meta.owner_references if owner not in inner.owner_references),
        finalizers=tuple(dict.fromkeys(inner.finalizers + meta.finalizers)),
        deleting=meta.deleting or inner.deleting,
        created=inner.created or meta.created,
        resource_version=meta.resource_version,
    )


def _union(stored: Mapping[str, str], own: Mapping[str, str]) -> Labels:
    return Labels({**stored, **own})
