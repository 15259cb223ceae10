"""Metadata: what Calico's v1 objects keep in an annotation, and names that differ between its two API groups."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.dice import V1, V3, calico
from webhook.policy.objects import DefectKind, Meta, OwnerReference
from webhook.policy.parse import METADATA, canonical_name, parse_policy

PATH = f"metadata.annotations['{METADATA}']"


def stored(annotation: Any, *, name: str = "default.p", version: str = V1, **metadata: Any) -> Any:
    manifest = calico("NetworkPolicy", name, "one", version=version)
    text = annotation if isinstance(annotation, str) else json.dumps(annotation)
    manifest["metadata"] |= {"annotations": {METADATA: text}, **metadata}
    return manifest


def test_what_the_annotation_holds_is_part_of_the_metadata() -> None:
    inner = {
        "name": "p",
        "labels": {"a": "b", "projectcalico.org/tier": "default"},
        "annotations": {"c": "d"},
        "ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "x", "uid": "1"}],
        "finalizers": ["f"],
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    meta = parse_policy(stored(inner, uid="u", labels={"projectcalico.org/tier": "early"}, finalizers=["g"])).meta
    assert meta == Meta(
        name="default.p",
        namespace="one",
        uid="u",
        labels=meta.labels,
        annotations=meta.annotations,
        owner_references=(OwnerReference("v1", "X", "x", "1"),),
        finalizers=("f", "g"),
        created="2026-01-01T00:00:00Z",
    )
    assert dict(meta.labels) == {"a": "b", "projectcalico.org/tier": "early"}
    assert dict(meta.annotations) == {"c": "d"}


def test_a_deletion_in_the_annotation_is_a_deletion() -> None:
    assert parse_policy(stored({"deletionTimestamp": "2026-01-01T00:00:00Z"})).meta.deleting
    assert not parse_policy(stored({})).meta.deleting
    assert parse_policy(stored({}, deletionTimestamp="2026-01-01T00:00:00Z")).meta.deleting


HONEST = [
    # id, annotation, message of the defect or None
    ("the same name", {"name": "default.p"}, None),
    ("the name without the prefix", {"name": "p"}, None),
    ("no name", {}, None),
    ("the same namespace", {"namespace": "one"}, None),
    ("another name", {"name": "default-deny"}, "names another object than `default.p`"),
    ("another namespace", {"namespace": "two"}, "names another namespace than `one`"),
    ("no JSON", "{", "cannot be read as JSON"),
    ("too deep", "[" * 100_000, "cannot be read as JSON"),
    ("no object", "[]", "cannot be read: expected an object"),
    ("labels of another shape", {"labels": {"a": 1}}, "cannot be read: expected a string"),
]


@pytest.mark.parametrize(("annotation", "message"), [c[1:] for c in HONEST], ids=[c[0] for c in HONEST])
def test_the_annotation_must_agree_with_the_object(annotation: Any, message: str | None) -> None:
    policy = parse_policy(stored(annotation))
    assert [(d.kind, d.path, d.message) for d in policy.defects] == (
        [] if message is None else [(DefectKind.METADATA_ANNOTATION, PATH, message)]
    )
    assert (policy.name, policy.ignored) == ("default.p", False)


def test_in_v3_the_annotation_is_one_like_any_other() -> None:
    policy = parse_policy(stored({"name": "x", "labels": {"a": "b"}}, version=V3))
    assert (policy.defects, dict(policy.meta.labels), list(policy.meta.annotations)) == ((), {}, [METADATA])


@pytest.mark.parametrize(
    ("name", "tier", "expected"),
    [("default.p", "default", "p"), ("default.p", "", "p"), ("p", "default", "p"), ("default.p", "early", "default.p")],
)
def test_canonical_names(name: str, tier: str, expected: str) -> None:
    assert canonical_name(name, tier) == expected


def test_a_name_about_to_be_generated_is_empty() -> None:
    manifest = calico("NetworkPolicy", "", "one")
    manifest["metadata"] = {"generateName": "p-"}
    policy = parse_policy(manifest, namespace="two")
    assert (policy.name, policy.namespace) == ("", "two")
