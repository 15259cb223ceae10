"""Attacks on namespaces: the environment label, exempting labels, finalizers, the ready mark, and names."""

from __future__ import annotations

from typing import Any

from tests.guarded.attempt import (
    DEV,
    NAMESPACES,
    PLAIN,
    PROD,
    TEST,
    apply,
    delete,
    held,
    merge,
    operations,
    post,
    put,
    refused,
    row,
    strategic,
)

AT = f"{NAMESPACES}/{DEV}"
STATUS, FINALIZE = f"{AT}/status", f"{AT}/finalize"
UNCHANGED, CLAIM, KNOWN = "[environment-unchanged]", "[environment-claim-permitted]", "[environment-known]"
EXEMPTING, FINALIZERS, READY = "[exempting-labels-reserved]", "[namespace-finalizers-kept]", "[ready-mark-honest]"
NAME_RESERVED = "[exempt-names-reserved]"
READY_FOR, READY_SECONDS = "isolation-baseline.io/ready-for", "isolation-baseline.io/ready-seconds"
FORCED = "fieldManager=mine&force=true"


def labels(key: str, value: str | None) -> dict[str, Any]:
    return {"metadata": {"labels": {key: value}}}


def env(value: str | None) -> dict[str, Any]:
    return labels("env", value)


def marks(key: str, value: str | None) -> dict[str, Any]:
    return {"metadata": {"annotations": {key: value}}}


def born(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def patched(op: str, path: str, **more: Any) -> dict[str, Any]:
    return {"op": op, "path": path, **more}


DIRECTIVE = {"metadata": {"labels": {"$patch": "replace", "team": "a"}}}
BOTH = {"metadata": {"labels": {"control-plane": "true", "env": "prod"}}}
ENV = "/metadata/labels/env"
EMPTIED = {"spec": {"finalizers": []}}
MANAGED_BY_AKS = labels("kubernetes.azure.com/managedby", "aks")
OWNED = f"{NAMESPACES}/dev-owned"

ENVIRONMENT = [
    held("env=prod by merge patch", "tenant", merge(AT, env("prod")), UNCHANGED),
    held("env=test by strategic patch", "tenant", strategic(AT, env("test")), UNCHANGED),
    held("env=test by JSON patch", "tenant", operations(AT, patched("replace", ENV, value="test")), UNCHANGED),
    held("env removed by JSON patch", "tenant", operations(AT, patched("remove", ENV)), UNCHANGED),
    held(
        "env moved to another key by JSON patch",
        "tenant",
        operations(AT, {"op": "move", "from": ENV, "path": "/metadata/labels/old-env"}),
        UNCHANGED,
    ),
    held(
        "all labels replaced by JSON patch",
        "tenant",
        operations(AT, patched("replace", "/metadata/labels", value={})),
        UNCHANGED,
    ),
    held("env removed by merge patch", "tenant", merge(AT, env(None)), UNCHANGED),
    held("labels: null by merge patch", "tenant", merge(AT, {"metadata": {"labels": None}}), UNCHANGED),
    held("labels by `$patch: replace`", "tenant", strategic(AT, DIRECTIVE), UNCHANGED),
    held(
        "labels by `$patch: delete`", "tenant", strategic(AT, {"metadata": {"labels": {"$patch": "delete"}}}), UNCHANGED
    ),
    held("env emptied", "tenant", merge(AT, env("")), UNCHANGED),
    held("env=unassigned", "tenant", merge(AT, env("unassigned")), UNCHANGED),
    held("env=nowhere", "tenant", merge(AT, env("nowhere")), UNCHANGED),
    held("env=DEV", "tenant", merge(AT, env("DEV")), UNCHANGED),
    held("env=test by PUT", "tenant", put(AT, env("test")), UNCHANGED),
    held(
        "env=test by PUT without a resourceVersion",
        "tenant",
        put(AT, {"metadata": {"resourceVersion": None, "labels": {"env": "test"}}}),
        UNCHANGED,
    ),
    held("env left out of a PUT", "tenant", put(AT, env(None)), UNCHANGED),
    held("env=test by apply", "tenant", apply(AT, born(DEV, env="test")), UNCHANGED),
    held("env=test by forced apply", "tenant", apply(AT, born(DEV, env="test"), FORCED), UNCHANGED),
    held(
        "env=test by forced apply under our field manager's name",
        "tenant",
        apply(AT, born(DEV, env="test"), "fieldManager=isolation-baseline&force=true"),
        UNCHANGED,
    ),
    held(
        "env applied as its only owner, then left out of the next apply",
        "tenant",
        apply(OWNED, born("dev-owned")),
        UNCHANGED,
        prepared=(apply(OWNED, born("dev-owned", env="dev")),),
        undone=(delete(OWNED),),
        dead=None,
    ),
    held("env=test through /status, merge", "tenant", merge(STATUS, env("test")), UNCHANGED),
    held("env=test through /status, strategic", "tenant", strategic(STATUS, env("test")), UNCHANGED),
    held(
        "env=test through /status, JSON patch",
        "tenant",
        operations(STATUS, patched("add", ENV, value="test")),
        UNCHANGED,
    ),
    held("env=test through /status, forced apply", "tenant", apply(STATUS, born(DEV, env="test"), FORCED), UNCHANGED),
    held("env=test through /status, PUT", "tenant", put(STATUS, env("test")), UNCHANGED),
    held("env removed through /status", "tenant", merge(STATUS, env(None)), UNCHANGED),
    held("env=test through /finalize", "tenant", put(FINALIZE, env("test")), UNCHANGED),
    held("env removed through /finalize", "tenant", put(FINALIZE, env(None)), UNCHANGED),
    row("a patch of /finalize", "tenant", merge(FINALIZE, env("test")), 405, dead=405),
    held("env=prod by who may claim prod", "engineer", merge(AT, env("prod")), UNCHANGED),
    held("env=prod by system:masters", "administrator", merge(AT, env("prod")), UNCHANGED),
    held("env=prod by a ServiceAccount with every right", "account", merge(AT, env("prod")), UNCHANGED),
    held("env=prod as the namespace controller", "as namespace controller", merge(STATUS, env("prod")), UNCHANGED),
    held("env=prod as our controller", "as our controller", merge(AT, env("prod")), UNCHANGED),
    held("env=test by dry run", "tenant", merge(f"{AT}?dryRun=All", env("test")), UNCHANGED),
    held("unassigned becomes dev", "tenant", merge(f"{NAMESPACES}/{PLAIN}", env("dev")), UNCHANGED),
    held("prod becomes dev", "engineer", merge(f"{NAMESPACES}/{PROD}", env("dev")), UNCHANGED),
    row("the name label spoofed", "tenant", merge(AT, labels("kubernetes.io/metadata.name", "kube-system")), 200),
]

CLAIMS = [
    held("prod by name", "tenant", post(NAMESPACES, born("prod-by-name")), CLAIM),
    refused("prod by label", "tenant", post(NAMESPACES, born("claims", env="prod")), CLAIM),
    refused("prod by label, under a name of dev", "tenant", post(NAMESPACES, born("dev-claims", env="prod")), CLAIM),
    held("prod by generateName", "tenant", post(NAMESPACES, {"metadata": {"generateName": "prod-"}}), CLAIM),
    held("prod by the end of the name", "tenant", post(NAMESPACES, born("shop-prod")), CLAIM),
    refused("prod by apply", "tenant", apply(f"{NAMESPACES}/claims", born("claims", env="prod")), CLAIM),
    refused("prod by system:masters", "administrator", post(NAMESPACES, born("claims", env="prod")), CLAIM),
    refused("prod by a ServiceAccount", "account", post(NAMESPACES, born("claims", env="prod")), CLAIM),
    refused("prod by masters impersonating a tenant", "as tenant", post(NAMESPACES, born("claims", env="prod")), CLAIM),
    refused("an environment nobody declared", "tenant", post(NAMESPACES, born("claims", env="nowhere")), KNOWN),
    refused("an empty environment", "tenant", post(NAMESPACES, born("dev-claims", env="")), KNOWN),
    refused("an environment with a capital", "tenant", post(NAMESPACES, born("claims", env="Prod")), KNOWN),
    refused("prod by dry run", "tenant", post(f"{NAMESPACES}?dryRun=All", born("claims", env="prod")), CLAIM),
    held("an exempt name that is free", "tenant", post(NAMESPACES, born("calico-system")), NAME_RESERVED),
    held("the product's own name", "tenant", post(NAMESPACES, born("isolation-baseline")), NAME_RESERVED),
    held("env=dev on kube-system", "cluster-admin", merge(f"{NAMESPACES}/kube-system", env("dev")), KNOWN),
    held("env=dev on kube-system, /status", "tenant", merge(f"{NAMESPACES}/kube-system/status", env("dev")), KNOWN),
    held("env=dev on kube-public, /finalize", "tenant", put(f"{NAMESPACES}/kube-public/finalize", env("dev")), KNOWN),
]

EXEMPT = [
    held("control-plane=true", "tenant", merge(AT, labels("control-plane", "true")), EXEMPTING),
    held("control-plane and env=prod in one patch", "tenant", merge(AT, BOTH), EXEMPTING),
    held("control-plane through /status", "tenant", merge(STATUS, labels("control-plane", "true")), EXEMPTING),
    held("control-plane, empty, through /finalize", "tenant", put(FINALIZE, labels("control-plane", "")), EXEMPTING),
    held("managed by AKS", "tenant", merge(AT, MANAGED_BY_AKS), EXEMPTING),
    held("managed by AKS, through /status by PUT", "tenant", put(STATUS, MANAGED_BY_AKS), EXEMPTING),
    held(
        "Gatekeeper's ignore at birth",
        "tenant",
        post(NAMESPACES, born("dev-ignored", **{"admission.gatekeeper.sh/ignore": "yes"})),
        EXEMPTING,
    ),
    held("control-plane by masters", "administrator", merge(AT, labels("control-plane", "true")), EXEMPTING),
    refused("a label under our prefix", "tenant", merge(AT, labels("isolation-baseline.io/exempt", "true")), EXEMPTING),
]

FINALIZERS_AND_MARKS = [
    held("spec.finalizers emptied", "tenant", put(FINALIZE, EMPTIED), FINALIZERS),
    held("spec.finalizers emptied by masters", "administrator", put(FINALIZE, EMPTIED), FINALIZERS),
    held(
        "spec.finalizers replaced by another",
        "tenant",
        put(FINALIZE, {"spec": {"finalizers": ["mine.example/hold"]}}),
        FINALIZERS,
    ),
    held(
        "spec.finalizers of a live namespace emptied as the namespace controller",
        "as namespace controller",
        put(FINALIZE, EMPTIED),
        FINALIZERS,
    ),
    held("spec left out of a PUT of /finalize", "tenant", put(FINALIZE, {"spec": None}), FINALIZERS),
    row("spec.finalizers emptied on the main resource", "tenant", merge(AT, EMPTIED), 200),
    row("spec.finalizers emptied through /status", "tenant", merge(STATUS, EMPTIED), 200, dead=200),
    refused("the ready mark taken away", "tenant", merge(AT, marks(READY_FOR, None)), READY),
    held("the ready mark taken away through /status", "tenant", merge(STATUS, marks(READY_FOR, None)), READY),
    refused("the ready seconds made prettier", "tenant", merge(AT, marks(READY_SECONDS, "0.001")), READY),
    held("the ready seconds, /finalize", "tenant", put(FINALIZE, marks(READY_SECONDS, "0.001")), READY),
    refused("the ready mark forged", "cluster-admin", merge(f"{NAMESPACES}/{TEST}", marks(READY_FOR, "0")), READY),
]

NAMESPACE_ATTACKS = {
    "environment label": ENVIRONMENT,
    "claims": CLAIMS,
    "exempting labels": EXEMPT,
    "finalizers and the ready mark": FINALIZERS_AND_MARKS,
}
