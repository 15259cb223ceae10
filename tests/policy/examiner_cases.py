"""Cases: an examiner's policies from files, short forms made whole, with the settings under which each is put."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from webhook.policy.settings import Settings
from webhook.policy.settings_file import parse_settings

Manifest = dict[str, Any]
_EXAMPLE = Path(__file__).parents[2] / "webhook" / "data" / "settings.example.yaml"
_FILES = Path(__file__).parent / "data" / "examiner"
_V3, _V1 = "projectcalico.org/v3", "crd.projectcalico.org/v1"
# Short form: apiVersion, kind, whether it is in a namespace.
_FORMS: Mapping[str, tuple[str, str, bool]] = {
    "np": (_V3, "NetworkPolicy", True),
    "np1": (_V1, "NetworkPolicy", True),
    "gnp": (_V3, "GlobalNetworkPolicy", False),
    "gnp1": (_V1, "GlobalNetworkPolicy", False),
    "snp": (_V3, "StagedNetworkPolicy", True),
    "sgnp": (_V3, "StagedGlobalNetworkPolicy", False),
    "sknp": (_V3, "StagedKubernetesNetworkPolicy", True),
    "knp": ("networking.k8s.io/v1", "NetworkPolicy", True),
    "cnp": ("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy", False),
    "tier": (_V3, "Tier", False),
    "set": (_V3, "NetworkSet", True),
    "gset": (_V3, "GlobalNetworkSet", False),
    "hep": (_V3, "HostEndpoint", False),
}
_ORDERED = ("np", "np1", "gnp", "gnp1", "snp", "sgnp")
_EVERYWHERE = ["0.0.0.0/0", "::/0"]
_PODS = {"pods": ["10.240.0.0/16"]}
# What differs from the example's settings.
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "example": {},
    "no-permit": {"permit": []},
    "ports": {"permit": [{"from": "test", "to": "dev", "ports": [8080, "UDP/5000:5010"]}]},
    "ranges": {
        "cidrs": {
            **_PODS,
            "nodes": ["172.20.0.0/24"],
            "ingress": ["198.51.100.0/24"],
            "egress": ["203.0.113.0/24", "192.0.2.0/25"],
        }
    },
    "internet": {"cidrs": {**_PODS, "egress": _EVERYWHERE}},
    "six": {"cidrs": {"pods": ["10.240.0.0/16", "fd00:10:240::/48"], "egress": _EVERYWHERE}},
    "six-closed": {"cidrs": {"pods": ["10.240.0.0/16", "fd00:10:240::/48"]}},
    "no-pods": {"cidrs": {}},
    "no-pods-listed": {"cidrs": {"egress": ["203.0.113.0/24"]}},
    "own-namespace": {"sameEnvironment": "namespace"},
    "none": {"sameEnvironment": "none"},
    "ruleless": {"denyForm": "ruleless"},
    "node-local": {"dns": {"nodeLocal": ["169.254.20.10"]}},
    "openshift": {
        "dns": {
            "selectors": [
                {"namespace": "openshift-dns", "selector": "dns.operator.openshift.io/daemonset-dns == 'default'"}
            ],
            "ports": [53, 5353],
        }
    },
    "second-tier": {"tiers": {"tenants": ["default", "tenants"]}},
}


@dataclass(frozen=True, slots=True)
class Case:
    """
    One policy, what else is there when it is judged, and which rules must refuse it or warn of it.

    `unseen` is why a policy that undercuts does not show it in the examiner's place.
    """

    title: str
    settings: str
    judged: Manifest
    stored: tuple[Manifest, ...]
    refused: frozenset[str]
    warned: frozenset[str]
    unseen: str
    unjudged: frozenset[str]


@dataclass(frozen=True, slots=True)
class Update:
    """A policy that undercuts already, and what becomes of it; silent is one that leaves nothing to be said."""

    title: str
    old: Manifest
    new: Manifest
    refused: frozenset[str]
    is_silent: bool
    unseen: str


def updates() -> list[Update]:
    return [
        Update(
            entry["it"],
            _after_many(whole(entry["from"]), entry.get("many", 0)),
            _after_many(whole(entry["to"]), entry.get("many", 0)),
            frozenset(entry.get("refused", [])),
            entry.get("silent", False),
            entry.get("unseen", ""),
        )
        for entry in yaml.safe_load((_FILES / "ratchet.yaml").read_text())
    ]


def _after_many(policy: Manifest, count: int) -> Manifest:
    """Put so many rules before those of the policy, each of which opens another port to the world."""
    if count:
        wide = [
            {
                "action": "Allow",
                "protocol": "TCP",
                "source": {"nets": ["203.0.113.9/32"]},
                "destination": {"ports": [n]},
            }
            for n in range(1000, 1000 + count)
        ]
        policy["spec"]["ingress"] = [*wide, *policy["spec"]["ingress"]]
    return policy


@lru_cache
def settings_named(name: str) -> Settings:
    document = yaml.safe_load(_EXAMPLE.read_text())
    exempt = {**document["exempt"], "namespaces": [*document["exempt"]["namespaces"], "openshift-dns"]}
    return parse_settings({**document, "exempt": exempt, **SETTINGS[name]})


def cases(name: str) -> list[Case]:
    return [_case(entry) for entry in yaml.safe_load((_FILES / f"{name}.yaml").read_text())]


def _case(entry: Mapping[str, Any]) -> Case:
    known = {"it", "in", "named", "settings", "with", "refused", "warned", "unseen", "unjudged", "labels", *_FORMS}
    assert set(entry) <= known, f"{entry['it']}: {set(entry) - known}"
    return Case(
        entry["it"],
        entry.get("settings", "example"),
        whole(entry),
        tuple(whole(other) for other in entry.get("with", [])),
        frozenset(entry.get("refused", [])),
        frozenset(entry.get("warned", [])),
        entry.get("unseen", ""),
        frozenset(entry.get("unjudged", [])),
    )


def whole(entry: Mapping[str, Any]) -> Manifest:
    """A manifest from its short form: order 600 and the types of its rules unless it says otherwise; null is absent."""
    (form,) = set(entry) & set(_FORMS)
    version, kind, is_namespaced = _FORMS[form]
    spec: Manifest = copy.deepcopy(entry[form]) or {}
    if form in _ORDERED:
        found = [direction.title() for direction in ("ingress", "egress") if direction in spec]
        spec = {"order": 600, "types": found or ["Ingress", "Egress"], **spec}
    if form in ("knp", "sknp"):
        spec = {"podSelector": {}, "policyTypes": _kubernetes_types(spec), **spec}
    metadata: Manifest = {
        "name": entry.get("named", "web"),
        **({"labels": entry["labels"]} if "labels" in entry else {}),
    }
    if is_namespaced:
        metadata["namespace"] = entry.get("in", "shop")
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": metadata,
        "spec": {key: value for key, value in spec.items() if value is not None},
    }


def _kubernetes_types(spec: Mapping[str, Any]) -> Sequence[str]:
    return [direction.title() for direction in ("ingress", "egress") if direction in spec] or ["Ingress"]
