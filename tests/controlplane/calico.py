"""Calico's kinds for an API server without Calico: small definitions of our own, or a folder of real ones."""

import os
from pathlib import Path
from typing import Any

import yaml

V1_GROUP = "crd.projectcalico.org"
V3_GROUP = "projectcalico.org"
CLUSTER_POLICY_GROUP = "policy.networking.k8s.io"
_VERSIONS = {V1_GROUP: "v1", V3_GROUP: "v3", CLUSTER_POLICY_GROUP: "v1alpha2"}

Schema = dict[str, Any]


def definitions(group: str) -> list[dict[str, Any]]:
    """The group's CustomResourceDefinitions: from the folder that CALICO_CRDS names, else the stand-ins."""
    folder = os.environ.get("CALICO_CRDS")
    if not folder:
        return stand_ins(group)
    files = sorted((Path(folder) / group).glob("*.yaml"))
    found = [document for file in files for document in yaml.safe_load_all(file.read_text()) if document]
    assert found, f"CALICO_CRDS: expected definitions in {Path(folder) / group}"
    return found


def tiers(group: str) -> list[dict[str, Any]]:
    """The tiers that every component of Calico creates at its start."""
    built_in = (("kube-admin", 1000, "Pass"), ("default", 1_000_000, "Deny"), ("kube-baseline", 10_000_000, "Pass"))
    return [
        {
            "apiVersion": f"{group}/{_VERSIONS[group]}",
            "kind": "Tier",
            "metadata": {"name": name},
            "spec": {"order": order, "defaultAction": action},
        }
        for name, order, action in built_in
    ]


def stand_ins(group: str) -> list[dict[str, Any]]:
    if group == CLUSTER_POLICY_GROUP:
        return [_definition(group, "ClusterNetworkPolicy", "clusternetworkpolicies", _CLUSTER_POLICY, status=True)]
    return [
        _definition(group, kind, plural, spec, namespaced=namespaced, status=status)
        for kind, plural, namespaced, status, spec in _KINDS
    ]


def _definition(
    group: str, kind: str, plural: str, spec: Schema, *, namespaced: bool = False, status: bool = False
) -> dict[str, Any]:
    properties: Schema = {"spec": spec} | ({"status": _ANYTHING} if status else {})
    version: Schema = {
        "name": _VERSIONS[group],
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
    }
    if status:
        version["subresources"] = {"status": {}}
    metadata: Schema = {"name": f"{plural}.{group}"}
    if group.endswith(".k8s.io"):  # the API server asks this of everybody in the project's own groups
        metadata["annotations"] = {"api-approved.kubernetes.io": "unapproved, a stand-in for tests"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": metadata,
        "spec": {
            "group": group,
            "scope": "Namespaced" if namespaced else "Cluster",
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "versions": [version],
        },
    }


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _enum(*values: str) -> Schema:
    return {"type": "string", "enum": list(values)}


_STRING: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "number"}
_INTEGER: Schema = {"type": "integer"}
_BOOLEAN: Schema = {"type": "boolean"}
_ANYTHING: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_INT_OR_STRING: Schema = {"x-kubernetes-int-or-string": True}
_SELECTOR: Schema = {"type": "string", "maxLength": 1024}
_STRINGS = _list(_STRING)
_ICMP = _object(type=_INTEGER, code=_INTEGER)

_PEER = _object(
    nets=_STRINGS,
    notNets=_STRINGS,
    selector=_SELECTOR,
    notSelector=_SELECTOR,
    namespaceSelector=_SELECTOR,
    ports=_list(_INT_OR_STRING),
    notPorts=_list(_INT_OR_STRING),
    serviceAccounts=_object(names=_STRINGS, selector=_STRING),
    services=_object(name=_STRING, namespace=_STRING),
)
_RULE = _object(
    action=_enum("Allow", "Deny", "Log", "Pass"),
    ipVersion=_INTEGER,
    protocol=_INT_OR_STRING,
    notProtocol=_INT_OR_STRING,
    icmp=_ICMP,
    notICMP=_ICMP,
    source=_PEER,
    destination=_PEER,
    http=_ANYTHING,
    metadata=_object(annotations={"type": "object", "additionalProperties": _STRING}),
) | {"required": ["action"]}
_POLICY: Schema = {
    "tier": {"type": "string", "default": "default"},
    "order": _NUMBER,
    "selector": _SELECTOR,
    "serviceAccountSelector": _SELECTOR,
    "types": _list(_enum("Ingress", "Egress")) | {"x-kubernetes-list-type": "set", "maxItems": 2},
    "ingress": _list(_RULE) | {"maxItems": 1024},
    "egress": _list(_RULE) | {"maxItems": 1024},
    "performanceHints": _STRINGS,
}
_GLOBAL_POLICY: Schema = _POLICY | {
    "namespaceSelector": _SELECTOR,
    "applyOnForward": _BOOLEAN,
    "doNotTrack": _BOOLEAN,
    "preDNAT": _BOOLEAN,
}
_STAGED: Schema = {"stagedAction": _enum("Set", "Delete", "Learn", "Ignore") | {"default": "Set"}}
_KUBERNETES_POLICY: Schema = {
    "podSelector": _ANYTHING,
    "policyTypes": _STRINGS,
    "ingress": _list(_ANYTHING),
    "egress": _list(_ANYTHING),
}
_NETS = _object(nets=_STRINGS)
_HOST_ENDPOINT = _object(
    node=_STRING,
    interfaceName=_STRING,
    expectedIPs=_STRINGS,
    profiles=_STRINGS,
    ports=_list(_ANYTHING),
)
_CLUSTER_POLICY = _object(
    tier=_enum("Admin", "Baseline"),
    priority=_INTEGER,
    subject=_ANYTHING,
    ingress=_list(_ANYTHING),
    egress=_list(_ANYTHING),
) | {"required": ["priority", "subject", "tier"]}

# kind, plural, namespaced, has a status of its own, spec
_KINDS = (
    ("NetworkPolicy", "networkpolicies", True, False, _object(**_POLICY)),
    ("GlobalNetworkPolicy", "globalnetworkpolicies", False, False, _object(**_GLOBAL_POLICY)),
    ("StagedNetworkPolicy", "stagednetworkpolicies", True, False, _object(**_POLICY, **_STAGED)),
    ("StagedGlobalNetworkPolicy", "stagedglobalnetworkpolicies", False, False, _object(**_GLOBAL_POLICY, **_STAGED)),
    (
        "StagedKubernetesNetworkPolicy",
        "stagedkubernetesnetworkpolicies",
        True,
        False,
        _object(**_KUBERNETES_POLICY, **_STAGED),
    ),
    (
        "Tier",
        "tiers",
        False,
        True,
        _object(order=_NUMBER, defaultAction=_enum("Pass", "Deny") | {"default": "Deny"}),
    ),
    ("NetworkSet", "networksets", True, False, _NETS),
    ("GlobalNetworkSet", "globalnetworksets", False, False, _NETS),
    ("HostEndpoint", "hostendpoints", False, False, _HOST_ENDPOINT),
    ("ClusterInformation", "clusterinformations", False, False, _ANYTHING),
    ("FelixConfiguration", "felixconfigurations", False, False, _ANYTHING),
    ("IPPool", "ippools", False, True, _ANYTHING),
)
