"""Table: objects as minimal manifests plus one change, worlds of them, and rules tested as tables of cases."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from webhook.policy.change import Change, Operation
from webhook.policy.evaluate import subjects
from webhook.policy.finding import Finding
from webhook.policy.objects import HostEndpoint, Namespace, NetworkSet, Pod, Policy, Tier, User
from webhook.policy.parse import parse
from webhook.policy.rule import GuardRule
from webhook.policy.settings import Settings
from webhook.policy.settings_file import load
from webhook.policy.world import World, frozen

Manifest = dict[str, Any]
SETTINGS = load((Path(__file__).parents[2] / "webhook" / "data" / "settings.example.yaml").read_text())


def ns(name: str = "shop", env: str | None = "dev", **metadata: Any) -> Manifest:
    labels = {"kubernetes.io/metadata.name": name, **metadata.pop("labels", {})}
    if env is not None:
        labels["env"] = env
    body = {"name": name, "uid": f"uid-{name}", "labels": labels, **metadata}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": body, "spec": {"finalizers": ["kubernetes"]}}


def terminating(manifest: Manifest) -> Manifest:
    return with_metadata(manifest, deletionTimestamp="2026-01-01T00:00:00Z")


def with_metadata(manifest: Manifest, **fields: Any) -> Manifest:
    changed = copy.deepcopy(manifest)
    changed["metadata"].update(fields)
    return changed


def policy(
    name: str = "web",
    namespace: str = "shop",
    *,
    v: str = "projectcalico.org/v3",
    kind: str = "NetworkPolicy",
    metadata: Mapping[str, Any] | None = None,
    **spec: Any,
) -> Manifest:
    """A compliant policy that denies nothing and allows its own namespace's web pods, unless `spec` says otherwise."""
    base: Manifest = {
        "order": 600,
        "types": ["Ingress"],
        "ingress": [{"action": "Allow", "source": {"selector": "a == 'b'"}}],
    }
    whole = {key: value for key, value in {**base, **spec}.items() if value is not None}
    return {
        "apiVersion": v,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}", **(metadata or {})},
        "spec": whole,
    }


def gnp(name: str = "global", **rest: Any) -> Manifest:
    manifest = policy(name, kind="GlobalNetworkPolicy", **rest)
    del manifest["metadata"]["namespace"]
    return manifest


def knp(name: str = "web", namespace: str = "shop", **spec: Any) -> Manifest:
    body = {"podSelector": {}, "policyTypes": ["Ingress"], **spec}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": body,
    }


def cluster_object(kind: str, name: str, *, labels: Mapping[str, str] | None = None, **spec: Any) -> Manifest:
    metadata: Manifest = {"name": name, "labels": dict(labels or {})}
    if kind == "NetworkSet":
        metadata["namespace"] = "shop"
    return {"apiVersion": "projectcalico.org/v3", "kind": kind, "metadata": metadata, "spec": spec}


def tier(name: str, **spec: Any) -> Manifest:
    return cluster_object("Tier", name, **spec)


def world(*manifests: Manifest, settings: Settings = SETTINGS, **fields: Any) -> World:
    """The world that holds these objects."""
    found = [parse(manifest) for manifest in manifests]
    return World(
        settings=settings,
        namespaces=frozen({o.name: o for o in found if isinstance(o, Namespace)}),
        tiers=frozen({o.name: o for o in found if isinstance(o, Tier)}),
        policies=frozen({o.ref: o for o in found if isinstance(o, Policy)}),
        pods=frozen({(o.meta.namespace, o.meta.name): o for o in found if isinstance(o, Pod)}),
        network_sets=frozen({o.ref: o for o in found if isinstance(o, NetworkSet)}),
        host_endpoints=frozen({o.ref: o for o in found if isinstance(o, HostEndpoint)}),
        **fields,
    )


def change(
    old: Manifest | None = None,
    new: Manifest | None = None,
    *,
    user: str = "dora",
    groups: Iterable[str] = (),
    subresource: str = "",
) -> Change:
    operation = Operation.UPDATE if old and new else Operation.CREATE if new else Operation.DELETE
    before = _object(old)
    after = _object(new)
    return Change(User(user, frozenset(groups)), operation, before, after, subresource)


def _object(manifest: Manifest | None) -> Any:
    return None if manifest is None else parse(manifest)


@dataclass(frozen=True, slots=True)
class Case:
    """One row: a world of objects, a change on it where the rule is about one, and the whole of what is said."""

    title: str
    objects: tuple[Manifest, ...]
    change: Change | None
    expected: tuple[str, ...]
    settings: Settings = SETTINGS
    fields: Mapping[str, Any] | None = None


def case(
    title: str,
    objects: Iterable[Manifest],
    expected: Iterable[str],
    *,
    on: Change | None = None,
    settings: Settings | None = None,
    **fields: Any,
) -> Case:
    """`settings` replace the example's; `fields` are of the World, or of Settings when that has them."""
    chosen = settings or SETTINGS
    own = {key: fields.pop(key) for key in list(fields) if hasattr(chosen, key)}
    return Case(title, tuple(objects), on, tuple(expected), replace(chosen, **own), fields)


def said(rule: GuardRule, case: Case) -> list[str]:
    return [finding.detail for finding in found(rule, case)]


def found(rule: GuardRule, case: Case) -> list[Finding]:
    """Everything that one rule finds in a case: about its change, or about every object of its world."""
    whole = world(*case.objects, settings=case.settings, **(case.fields or {}))
    judged = [case.change] if case.change is not None else list(subjects(whole))
    fitting = [subject for subject in judged if type(subject) in rule.subjects]
    return sorted(finding for subject in fitting for finding in rule.findings(subject, whole))


def table(rule: GuardRule, cases: list[Case]) -> Callable[[Case], None]:
    """A test of a rule from a table; a table that never fires, or never holds still, tests nothing."""
    assert any(row.expected for row in cases), f"{rule.id}: no case fires"
    assert any(not row.expected for row in cases), f"{rule.id}: every case fires"

    @pytest.mark.parametrize("row", cases, ids=[row.title for row in cases])
    def check(row: Case) -> None:
        assert said(rule, row) == list(row.expected)

    return check
