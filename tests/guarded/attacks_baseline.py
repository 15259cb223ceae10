"""Attacks on the baseline: its policies and the floor edited, deleted, collected, owned, held and imitated."""

from __future__ import annotations

import json
from typing import Any

from tests.guarded.attempt import (
    CALICO,
    DEV,
    KUBERNETES,
    apply,
    delete,
    held,
    merge,
    operations,
    post,
    put,
    refused,
    row,
)

HERE = f"{CALICO}/namespaces/{DEV}/networkpolicies"
DENY, DNS, ALLOW = f"{HERE}/default-deny", f"{HERE}/dns-allow", f"{HERE}/{DEV}-ns-allow"
GLOBAL = f"{CALICO}/globalnetworkpolicies"
FLOOR = f"{GLOBAL}/isolation-floor"
UNCHANGED, PRESENT, RESERVED = "[baseline-unchanged]", "[baseline-present]", "[baseline-names-reserved]"
HONEST = "[metadata-annotation-honest]"
METADATA = "projectcalico.org/metadata"
MANAGED_BY = "app.kubernetes.io/managed-by"
OPEN = {"order": 600, "selector": "all()", "types": ["Ingress"], "ingress": [{"action": "Allow"}]}
GONE_OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "6d8f4e6e-3a0a-4c0a-8f0a-0a0a0a0a0a0a"}


def spec(**fields: Any) -> dict[str, Any]:
    return {"spec": fields}


def metadata(**fields: Any) -> dict[str, Any]:
    return {"metadata": fields}


def written(**fields: Any) -> dict[str, Any]:
    """The annotation in which Calico keeps what v3 says of a v1 object."""
    return metadata(annotations={METADATA: json.dumps(fields)})


def named(name: str, labels: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    return {
        "apiVersion": "crd.projectcalico.org/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": DEV, "labels": labels or {}},
        "spec": {**OPEN, **fields},
    }


EDITS = [
    refused("default-deny: selector narrowed", "tenant", merge(DENY, spec(selector="app == 'none'")), UNCHANGED),
    refused("default-deny: selector broken", "tenant", merge(DENY, spec(selector="!!")), UNCHANGED),
    refused("default-deny: one direction only", "tenant", merge(DENY, spec(types=["Ingress"])), UNCHANGED),
    refused("default-deny: types left out", "tenant", merge(DENY, spec(types=None)), UNCHANGED),
    refused("default-deny: order behind everything", "tenant", merge(DENY, spec(order=9000000)), UNCHANGED),
    refused("default-deny: order a hair later", "tenant", merge(DENY, spec(order=5000.0001)), UNCHANGED),
    refused("default-deny: no order", "tenant", merge(DENY, spec(order=None)), UNCHANGED),
    refused("default-deny: Allow first", "tenant", merge(DENY, spec(ingress=[{"action": "Allow"}])), UNCHANGED),
    refused("default-deny: Pass at its end", "tenant", merge(DENY, spec(egress=[{"action": "Pass"}])), UNCHANGED),
    refused("default-deny: rules taken out", "tenant", merge(DENY, spec(ingress=[], egress=[])), UNCHANGED),
    refused(
        "default-deny: its Deny for TCP alone",
        "tenant",
        operations(DENY, {"op": "add", "path": "/spec/ingress/0/protocol", "value": "TCP"}),
        UNCHANGED,
    ),
    refused("default-deny: in another tier", "tenant", merge(DENY, spec(tier="kube-baseline")), UNCHANGED),
    refused(
        "default-deny: a serviceAccountSelector",
        "tenant",
        merge(DENY, spec(serviceAccountSelector="a == 'b'")),
        UNCHANGED,
    ),
    refused("default-deny: by PUT", "tenant", put(DENY, spec(order=7000)), UNCHANGED),
    refused("default-deny: spec removed", "tenant", operations(DENY, {"op": "remove", "path": "/spec"}), UNCHANGED),
    refused(
        "default-deny: by forced apply under the controller's field manager",
        "tenant",
        apply(DENY, named("default-deny"), "fieldManager=isolation-baseline&force=true"),
        UNCHANGED,
    ),
    refused("default-deny: by dry run", "tenant", merge(f"{DENY}?dryRun=All", spec(order=7000)), UNCHANGED),
    refused("default-deny: by masters", "administrator", merge(DENY, spec(order=7000)), UNCHANGED),
    refused("default-deny: as our controller", "as our controller", merge(DENY, spec(order=7000)), UNCHANGED),
    refused(
        "default-deny: as the namespace controller", "as namespace controller", merge(DENY, spec(order=7)), UNCHANGED
    ),
    refused("default-deny: as calico-apiserver", "as calico-apiserver", merge(DENY, spec(order=7000)), UNCHANGED),
    refused("default-deny: as tigera-operator", "as tigera-operator", merge(DENY, spec(order=7000)), UNCHANGED),
    refused("default-deny: as the garbage collector", "as garbage collector", merge(DENY, spec(order=7000)), UNCHANGED),
    refused("dns-allow: everything at order 4000", "tenant", merge(DNS, spec(egress=[{"action": "Allow"}])), UNCHANGED),
    refused("dns-allow: DNS no more", "tenant", merge(DNS, spec(egress=[])), UNCHANGED),
    refused(
        "dns-allow: another port",
        "tenant",
        operations(DNS, {"op": "add", "path": "/spec/egress/0/destination/ports/-", "value": 443}),
        UNCHANGED,
    ),
    refused(
        "ns-allow: every environment",
        "tenant",
        merge(ALLOW, spec(ingress=[{"action": "Allow", "source": {"namespaceSelector": "has(env)"}}])),
        UNCHANGED,
    ),
    refused(
        "ns-allow: sets as well as pods",
        "tenant",
        operations(ALLOW, {"op": "remove", "path": "/spec/ingress/0/source/selector"}),
        UNCHANGED,
    ),
    refused(
        "isolation-floor: nobody selected", "tenant", merge(FLOOR, spec(namespaceSelector="env == 'none'")), UNCHANGED
    ),
    refused("isolation-floor: order before all", "tenant", merge(FLOOR, spec(order=-1)), UNCHANGED),
    refused("isolation-floor: for forwarded traffic", "tenant", merge(FLOOR, spec(applyOnForward=True)), UNCHANGED),
    refused("isolation-floor: Allow", "cluster-admin", merge(FLOOR, spec(ingress=[{"action": "Allow"}])), UNCHANGED),
]

METADATA_EDITS = [
    refused(
        "default-deny: owned by what is not there",
        "tenant",
        merge(DENY, metadata(ownerReferences=[GONE_OWNER])),
        UNCHANGED,
    ),
    refused(
        "default-deny: owned, by masters",
        "administrator",
        merge(DENY, metadata(ownerReferences=[GONE_OWNER])),
        UNCHANGED,
    ),
    refused("isolation-floor: owned", "cluster-admin", merge(FLOOR, metadata(ownerReferences=[GONE_OWNER])), UNCHANGED),
    refused("default-deny: a finalizer", "tenant", merge(DENY, metadata(finalizers=["mine.example/hold"])), UNCHANGED),
    refused(
        "default-deny: foregroundDeletion on a live object",
        "tenant",
        merge(DENY, metadata(finalizers=["foregroundDeletion"])),
        UNCHANGED,
    ),
    row(
        "default-deny: a deletionTimestamp with foregroundDeletion",
        "tenant",
        put(DENY, metadata(finalizers=["foregroundDeletion"], deletionTimestamp="2026-01-01T00:00:00Z")),
        422,
        dead=422,
    ),
    refused("default-deny: our label taken off", "tenant", merge(DENY, metadata(labels={MANAGED_BY: None})), UNCHANGED),
    refused("default-deny: our label by PUT", "tenant", put(DENY, metadata(labels={MANAGED_BY: "Helm"})), UNCHANGED),
    refused(
        "default-deny: our label and its order at once",
        "tenant",
        merge(DENY, metadata(labels={MANAGED_BY: None}) | spec(order=6)),
        UNCHANGED,
    ),
    refused(
        "default-deny: deleted by Calico's annotation",
        "tenant",
        merge(DENY, written(name="default-deny", deletionTimestamp="2026-01-01T00:00:00Z")),
        "",
    ),
    refused(
        "default-deny: owned by Calico's annotation",
        "tenant",
        merge(DENY, written(name="default-deny", ownerReferences=[GONE_OWNER])),
        "",
    ),
    refused(
        "default-deny: finalizer by Calico's annotation",
        "tenant",
        merge(DENY, written(name="default-deny", finalizers=["a/b"])),
        "",
    ),
    refused("default-deny: renamed by Calico's annotation", "tenant", merge(DENY, written(name="nothing")), HONEST),
    refused(
        "default-deny: another namespace by Calico's annotation",
        "tenant",
        merge(DENY, written(name="default-deny", namespace="other")),
        HONEST,
    ),
    refused(
        "default-deny: Calico's annotation broken", "tenant", merge(DENY, metadata(annotations={METADATA: "{"})), ""
    ),
    refused(
        "default-deny: stamped with other settings",
        "tenant",
        merge(DENY, metadata(annotations={"isolation-baseline.io/settings": "forged"})),
        UNCHANGED,
    ),
    refused(
        "default-deny: a finalizer as the garbage collector",
        "as garbage collector",
        merge(DENY, metadata(finalizers=["mine.example/hold"])),
        UNCHANGED,
    ),
    row("default-deny: managedFields emptied", "tenant", merge(DENY, metadata(managedFields=[{}])), 200),
    row("default-deny: a no-op", "tenant", merge(DENY, {}), 200),
]

DELETIONS = [
    refused("default-deny deleted", "tenant", delete(DENY), PRESENT),
    refused("dns-allow deleted", "tenant", delete(DNS), PRESENT),
    refused("ns-allow deleted", "tenant", delete(ALLOW), PRESENT, open_without="takes connections away, opens none"),
    refused("default-deny deleted in the foreground", "tenant", delete(DENY, propagationPolicy="Foreground"), PRESENT),
    refused("default-deny deleted in the background", "tenant", delete(DENY, propagationPolicy="Background"), PRESENT),
    refused("default-deny orphaned", "tenant", delete(DENY, propagationPolicy="Orphan"), PRESENT),
    refused("default-deny deleted without grace", "tenant", delete(DENY, gracePeriodSeconds=0), PRESENT),
    refused("default-deny deleted by dry run", "tenant", delete(DENY, dryRun=["All"]), PRESENT),
    refused("default-deny deleted by masters", "administrator", delete(DENY), PRESENT),
    refused("default-deny deleted by a ServiceAccount", "account", delete(DENY), PRESENT),
    refused("default-deny deleted as calico-apiserver", "as calico-apiserver", delete(DENY), PRESENT),
    refused("default-deny deleted as the migrator", "as calico-kube-controllers", delete(DENY), PRESENT),
    refused("default-deny deleted as our controller", "as our controller", delete(DENY), PRESENT),
    refused("default-deny deleted as the garbage collector", "as garbage collector", delete(DENY), PRESENT),
    held("default-deny deleted as the namespace controller", "as namespace controller", delete(DENY), PRESENT),
    held("default-deny deleted as the controller manager", "as controller manager", delete(DENY), PRESENT),
    held("the whole collection", "tenant", delete(HERE), PRESENT),
    held("a collection by label", "tenant", delete(f"{HERE}?labelSelector={MANAGED_BY}"), PRESENT),
    held("a collection by name", "tenant", delete(f"{HERE}?fieldSelector=metadata.name%3Ddefault-deny"), PRESENT),
    held("the collection by masters", "administrator", delete(HERE), PRESENT),
    held("the collection as the namespace controller", "as namespace controller", delete(HERE), PRESENT),
    held("the collection by dry run", "tenant", delete(f"{HERE}?dryRun=All"), PRESENT),
    refused("isolation-floor deleted", "tenant", delete(FLOOR), PRESENT),
    refused(
        "isolation-floor deleted in the foreground",
        "administrator",
        delete(FLOOR, propagationPolicy="Foreground"),
        PRESENT,
    ),
    refused("isolation-floor as the namespace controller", "as namespace controller", delete(FLOOR), PRESENT, dead=403),
    held("every global policy as a collection", "cluster-admin", delete(GLOBAL), PRESENT),
]

IMITATIONS = [
    refused("default.default-deny, open", "tenant", post(HERE, named("default.default-deny")), RESERVED),
    refused("default.dns-allow, open", "tenant", post(HERE, named("default.dns-allow")), RESERVED),
    refused("default.<ns>-ns-allow, open", "tenant", post(HERE, named(f"default.{DEV}-ns-allow")), RESERVED),
    refused(
        "default.default-deny with our label, open",
        "tenant",
        post(HERE, named("default.default-deny", {MANAGED_BY: "isolation-baseline"})),
        UNCHANGED,
    ),
    refused(
        "default.isolation-floor, open",
        "tenant",
        post(
            GLOBAL,
            {
                "metadata": {"name": "default.isolation-floor"},
                "spec": OPEN,
                "apiVersion": "crd.projectcalico.org/v1",
                "kind": "GlobalNetworkPolicy",
            },
        ),
        RESERVED,
    ),
    refused(
        "default-deny in networking.k8s.io, open",
        "tenant",
        post(
            f"{KUBERNETES}/namespaces/{DEV}/networkpolicies",
            {"metadata": {"name": "default-deny"}, "spec": {"podSelector": {}, "ingress": [{}]}},
        ),
        "[allows-stay-under-ceiling]",
    ),
    row(
        "default-deny replaced by force (deleted and created)",
        "tenant",
        (delete(DENY), post(HERE, named("default-deny"))),
        403,
        kept=(DENY,),
    ),
    refused(
        "our label on an own open policy",
        "tenant",
        post(HERE, named("mine", {MANAGED_BY: "isolation-baseline"})),
        "[allows-stay-under-ceiling]",
    ),
]

BASELINE_ATTACKS = {
    "baseline edited": EDITS,
    "baseline metadata": METADATA_EDITS,
    "baseline deleted": DELETIONS,
    "baseline imitated": IMITATIONS,
}
