"""The native policies on a real API server: sound in type, affordable, and each refusing what it is there for."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.controlplane import ControlPlane
from tests.native.in_force import (
    ADMISSION,
    CALICO,
    KINDS,
    LAB,
    LIVE,
    MERGE,
    NAMESPACES,
    POLICIES,
    SETTINGS,
    created,
    impersonating,
    namespace,
    pod,
    policy,
)
from tests.recorder import Recorder
from webhook.native import native_policies, probes
from webhook.policy.objects import CalicoApi
from webhook.policy.settings import Environment, Mode, Settings
from webhook.roles import configurations
from webhook.webhooks import ByService, ByUrl

SERVICE = ByService("isolation-baseline", "isolation-baseline-webhook")


# As generated.


def _policies(settings: Settings = SETTINGS, api: CalicoApi = CalicoApi.V1) -> list[dict[str, Any]]:
    return native_policies(settings, SERVICE, api)


def test_every_policy_is_bound_without_a_selector() -> None:
    generated = _policies()
    for made, binding in zip(generated[::2], generated[1::2], strict=True):
        assert binding["spec"]["policyName"] == made["metadata"]["name"] == binding["metadata"]["name"]
        assert "matchResources" not in binding["spec"]
        assert binding["spec"]["validationActions"] == ["Deny"]
        assert made["spec"]["failurePolicy"] == "Fail"
        for validation in made["spec"]["validations"]:
            assert validation["reason"] == "Forbidden"
            assert "\n" not in validation["message"] + validation["messageExpression"]


def test_only_a_name_that_nobody_can_change_spares_a_namespace() -> None:
    for made in _policies()[::2]:
        selector = made["spec"]["matchConstraints"]["namespaceSelector"]
        for expression in selector.get("matchExpressions", []):
            assert (expression["key"], expression["operator"]) == ("kubernetes.io/metadata.name", "NotIn")


@pytest.mark.parametrize(
    ("modes", "actions", "missing"),
    [
        ((Mode.AUDIT, Mode.ENFORCE), ["Deny"], "Deny"),
        ((Mode.WARN, Mode.AUDIT), ["Warn", "Audit"], "Allow"),
        ((Mode.AUDIT, Mode.AUDIT), ["Audit"], "Allow"),
    ],
)
def test_the_strictest_mode_decides_what_a_policy_does(
    modes: tuple[Mode, Mode], actions: list[str], missing: str
) -> None:
    settings = Settings(environments=(Environment("dev", mode=modes[0]),), unassigned_mode=modes[1])
    bindings = _policies(settings)[1::2]
    assert [b["spec"]["validationActions"] for b in bindings] == [actions] * len(bindings)
    assert {b["spec"]["paramRef"]["parameterNotFoundAction"] for b in bindings if "paramRef" in b["spec"]} == {missing}
    assert bool(probes(settings)) == (actions == ["Deny"])


def test_the_baseline_is_guarded_where_it_is_written() -> None:
    for api, groups in (
        (CalicoApi.V1, {"crd.projectcalico.org", "projectcalico.org"}),
        (CalicoApi.KUBERNETES, {"networking.k8s.io"}),
    ):
        by_name = {p["metadata"]["name"]: p for p in _policies(api=api)[::2]}
        rules = by_name["baseline-present.isolation-baseline.io"]["spec"]["matchConstraints"]["resourceRules"]
        assert {group for rule in rules for group in rule["apiGroups"]} == groups


def test_the_controller_keeps_them_for_the_group_that_the_cluster_has() -> None:
    for api in CalicoApi:
        kept = configurations(SETTINGS, SERVICE, api, native=True)
        assert [m["kind"] for m in kept[:2]] == ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"]
        assert kept[2:] == _policies(api=api)
        assert configurations(SETTINGS, SERVICE, api, native=False) == kept[:2]


DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
CLAIM = {"metadata": {"name": "pod", "annotations": {"cni.projectcalico.org/podIPs": "203.0.113.7/32"}}}
NODE = {"target": {"kind": "Node", "name": "n"}}
NAMESPACE_CONTROLLER = impersonating("system:serviceaccount:kube-system:namespace-controller")
COLLECTOR = impersonating("system:serviceaccount:kube-system:generic-garbage-collector")
PLUGIN = impersonating("system:serviceaccount:calico-system:calico-node")
# The rights of tenants are enough for what it is tried with, and nobody takes it for a platform engineer.
OPERATOR = impersonating("system:serviceaccount:tigera-operator:tigera-operator", "tenants")
BREAK_GLASS = impersonating("bob", "native-break-glass")
KEEPS = "may not change from unassigned to "

Row = tuple[str, str, str, Any, dict[str, Any], str]

# What is tried, the request (a dry run), and a part of the refusal; empty where it must pass.
TRIED: list[Row] = [
    ("a namespace", "POST", NAMESPACES, {"metadata": {"name": "native-a"}}, {}, ""),
    ("by generateName", "POST", NAMESPACES, {"metadata": {"generateName": "native-"}}, {}, ""),
    (
        "a kubebuilder label",
        "PATCH",
        LIVE,
        {"metadata": {"labels": {"control-plane": "controller-manager"}}},
        MERGE,
        "[exempting-labels-reserved] Namespace native-live: label control-plane can take it out of admission webhooks",
    ),
    (
        "an exempting label at birth",
        "POST",
        NAMESPACES,
        {"metadata": {"name": "native-b", "labels": {"control-plane": "true"}}},
        {},
        "[exempting-labels-reserved]",
    ),
    (
        "the same with a claim in one patch",
        "PATCH",
        LIVE,
        {"metadata": {"labels": {"control-plane": "true", "env": "dev"}}},
        MERGE,
        "[exempting-labels-reserved]",
    ),
    (
        "an exempting label by status",
        "PATCH",
        f"{LIVE}/status",
        {"metadata": {"labels": {"kubernetes.azure.com/managedby": "aks"}}},
        MERGE,
        "[exempting-labels-reserved]",
    ),
    (
        "an exempting label by finalize",
        "PUT",
        f"{LIVE}/finalize",
        namespace("native-live", ["kubernetes"], env="unassigned", **{"control-plane": "true"}),
        {},
        "[exempting-labels-reserved]",
    ),
    (
        "an exempting label where it belongs",
        "PATCH",
        f"{NAMESPACES}/kube-system",
        {"metadata": {"labels": {"control-plane": "true"}}},
        MERGE,
        "",
    ),
    (
        "another environment",
        "PATCH",
        LIVE,
        {"metadata": {"labels": {"env": "dev"}}},
        MERGE,
        f"[environment-unchanged] Namespace native-live: label env {KEEPS}dev",
    ),
    (
        "another environment by JSON patch",
        "PATCH",
        LIVE,
        [{"op": "replace", "path": "/metadata/labels/env", "value": "dev"}],
        {"content_type": "application/json-patch+json"},
        f"{KEEPS}dev",
    ),
    (
        "another environment by apply",
        "PATCH",
        f"{LIVE}?fieldManager=t&force=true",
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "native-live", "labels": {"env": "dev"}}},
        {"content_type": "application/apply-patch+yaml"},
        f"{KEEPS}dev",
    ),
    ("another environment by PUT", "PUT", LIVE, namespace("native-live", ["kubernetes"], env="dev"), {}, f"{KEEPS}dev"),
    ("no environment", "PATCH", LIVE, {"metadata": {"labels": {"env": None}}}, MERGE, f"{KEEPS}nothing"),
    (
        "another environment by status",
        "PATCH",
        f"{LIVE}/status",
        {"metadata": {"labels": {"env": "dev"}}},
        MERGE,
        f"{KEEPS}dev",
    ),
    (
        "another environment by finalize",
        "PUT",
        f"{LIVE}/finalize",
        namespace("native-live", ["kubernetes"], env="dev"),
        {},
        f"{KEEPS}dev",
    ),
    (
        "another environment, as system:masters",
        "PATCH",
        LIVE,
        {"metadata": {"labels": {"env": "dev"}}},
        {**MERGE, **impersonating("root")},
        f"{KEEPS}dev",
    ),
    (
        "another environment, as break-glass",
        "PATCH",
        LIVE,
        {"metadata": {"labels": {"env": "dev"}}},
        {**MERGE, **BREAK_GLASS},
        "",
    ),
    (
        "another environment, where it is only audited",
        "PATCH",
        LAB,
        {"metadata": {"labels": {"env": "lab2"}}},
        MERGE,
        "may not change from lab to lab2",
    ),
    ("into an audited environment", "PATCH", LIVE, {"metadata": {"labels": {"env": "lab"}}}, MERGE, f"{KEEPS}lab"),
    (
        "an environment on an exempt namespace",
        "PATCH",
        f"{NAMESPACES}/kube-system",
        {"metadata": {"labels": {"env": "dev"}}},
        MERGE,
        "[environment-known] Namespace kube-system: is exempt",
    ),
    (
        "the same by status",
        "PATCH",
        f"{NAMESPACES}/kube-public/status",
        {"metadata": {"labels": {"env": "dev"}}},
        MERGE,
        "[environment-known]",
    ),
    ("other labels", "PATCH", LIVE, {"metadata": {"labels": {"team": "blue"}}}, MERGE, ""),
    (
        "finalizers of a live namespace",
        "PUT",
        f"{LIVE}/finalize",
        namespace("native-live", env="unassigned"),
        {},
        "[namespace-finalizers-kept] Namespace native-live",
    ),
    (
        "finalizers of a live namespace, in their controller's name",
        "PUT",
        f"{LIVE}/finalize",
        namespace("native-live", env="unassigned"),
        NAMESPACE_CONTROLLER,
        "[namespace-finalizers-kept] Namespace native-live",
    ),
    (
        "an exempt name by a tenant",
        "POST",
        NAMESPACES,
        {"metadata": {"name": "calico-apiserver"}},
        impersonating("alice", "tenants"),
        "[exempt-names-reserved]",
    ),
    (
        "an exempt name by Calico's operator",
        "POST",
        NAMESPACES,
        {"metadata": {"name": "calico-apiserver"}},
        OPERATOR,
        "",
    ),
    (
        "an exempt name by who may change the guard",
        "POST",
        NAMESPACES,
        {"metadata": {"name": "calico-apiserver"}},
        {},
        "",
    ),
    (
        "a definition of Calico's",
        "DELETE",
        f"{DEFINITIONS}/networksets.crd.projectcalico.org",
        None,
        {},
        "[calico-definitions-kept] CustomResourceDefinition networksets.crd.projectcalico.org",
    ),
    ("all definitions at once", "DELETE", DEFINITIONS, None, {}, "[calico-definitions-kept]"),
    (
        "a definition, as break-glass",
        "DELETE",
        f"{DEFINITIONS}/networksets.crd.projectcalico.org",
        None,
        BREAK_GLASS,
        "",
    ),
    ("a pod", "POST", f"{LIVE}/pods", pod({"a": "b"}, "other"), {}, ""),
    (
        "a pod that claims an address",
        "POST",
        f"{LIVE}/pods",
        pod({"cni.projectcalico.org/podIP": "203.0.113.7"}, "other"),
        {},
        "[pod-address-not-claimed] Pod native-live/other: an annotation claims",
    ),
    ("a claim by status", "PATCH", f"{LIVE}/pods/pod/status", CLAIM, MERGE, "[pod-address-not-claimed]"),
    ("a claim by a binding", "POST", f"{LIVE}/pods/pod/binding", {**CLAIM, **NODE}, {}, "[pod-address-not-claimed]"),
    ("a claim by the older binding", "POST", f"{LIVE}/bindings", {**CLAIM, **NODE}, {}, "[pod-address-not-claimed]"),
    ("a claim by the network plugin", "PATCH", f"{LIVE}/pods/pod/status", CLAIM, {**MERGE, **PLUGIN}, ""),
    (
        "a claim where it is only audited",
        "POST",
        f"{LAB}/pods",
        pod({"cni.projectcalico.org/podIP": "203.0.113.7"}),
        {},
        "",
    ),
    (
        "the baseline as a collection",
        "DELETE",
        POLICIES,
        None,
        {},
        "[baseline-present] NetworkPolicy native-live/default-deny: belongs to the baseline, which stays; leave it",
    ),
    (
        "the baseline by a borrowed name",
        "DELETE",
        f"{POLICIES}/default-deny",
        None,
        NAMESPACE_CONTROLLER,
        "[baseline-present]",
    ),
    (
        "the floor as a collection",
        "DELETE",
        f"{CALICO}/globalnetworkpolicies",
        None,
        {},
        "[baseline-present] GlobalNetworkPolicy isolation-floor",
    ),
    (
        "a collection in an exempt namespace",
        "DELETE",
        f"{CALICO}/namespaces/kube-public/networkpolicies",
        None,
        NAMESPACE_CONTROLLER,
        "",
    ),
    ("the baseline by name is the webhook's", "DELETE", f"{POLICIES}/default-deny", None, {}, ""),
    (
        "the baseline by name by the collector is the webhook's",
        "DELETE",
        f"{POLICIES}/default-deny",
        None,
        COLLECTOR,
        "",
    ),
    ("a policy of a tenant", "DELETE", f"{POLICIES}/mine", None, NAMESPACE_CONTROLLER, ""),
]


@pytest.mark.parametrize(
    ("what", "method", "path", "body", "options", "refusal"), TRIED, ids=[row[0] for row in TRIED]
)  # fmt: skip
def test_what_is_refused(
    control_plane: ControlPlane,
    guard: Recorder,
    what: str,
    method: str,
    path: str,
    body: Any,
    options: dict[str, Any],
    refusal: str,
) -> None:
    dry = f"{path}{'&' if '?' in path else '?'}dryRun=All"
    status, answer = control_plane.request(method, dry, body, **options)
    message = str(answer.get("message", ""))
    if refusal:
        assert (status, answer["reason"]) == (403, "Forbidden"), answer
        assert refusal in message
        assert "\n" not in message
    else:
        assert status < 300, message


VERSIONS = {
    "": "v1",
    "apiextensions.k8s.io": "v1",
    "apiregistration.k8s.io": "v1",
    "crd.projectcalico.org": "v1",
    "migration.projectcalico.org": "v1beta1",
    "networking.k8s.io": "v1",
    "policy.networking.k8s.io": "v1alpha2",
    "projectcalico.org": "v3",
}


def _type_warnings(control_plane: ControlPlane, made: dict[str, Any]) -> list[str]:
    """
    What the API server thinks of the types in a policy's expressions.

    It checks nothing where a rule is for any version, so a copy names the versions; it is never bound.
    """
    made = copy.deepcopy(made) | {"metadata": {"name": f"typed-{made['metadata']['name']}"}}
    for rule in made["spec"]["matchConstraints"]["resourceRules"]:
        rule["apiVersions"] = [VERSIONS[group] for group in rule["apiGroups"]]
    path = f"{ADMISSION}/validatingadmissionpolicies/{made['metadata']['name']}"
    created(control_plane, f"{ADMISSION}/validatingadmissionpolicies", made)

    def checked() -> Any:
        stored = control_plane.request("GET", path)[1]
        status = stored.get("status", {})
        return status if status.get("observedGeneration") == stored["metadata"]["generation"] else None

    try:
        status = control_plane.until(checked, f"type check of {path}")
        return [w["warning"] for w in status["typeChecking"].get("expressionWarnings", [])]
    finally:
        control_plane.request("DELETE", path)


@pytest.mark.parametrize("made", _policies()[::2], ids=lambda made: str(made["metadata"]["name"]))
def test_nothing_in_the_expressions_is_of_the_wrong_type(control_plane: ControlPlane, made: dict[str, Any]) -> None:
    assert _type_warnings(control_plane, made) == []


def test_a_misspelt_field_would_be_found(control_plane: ControlPlane) -> None:
    made = copy.deepcopy(_policies()[0])
    (validation,) = made["spec"]["validations"]
    validation["expression"] = validation["expression"].replace("w.failurePolicy", "w.failurePolicies")
    (warning,) = _type_warnings(control_plane, made)
    assert "undefined field 'failurePolicies'" in warning


def test_stored_as_generated(control_plane: ControlPlane, guard: Recorder) -> None:
    for wanted in native_policies(SETTINGS, ByUrl(guard.url, guard.ca), CalicoApi.V1):
        plural = "validatingadmissionpolicies" if "Binding" not in wanted["kind"] else KINDS[0]
        stored = control_plane.request("GET", f"{ADMISSION}/{plural}/{wanted['metadata']['name']}")[1]
        assert stored["spec"] == wanted["spec"]


def test_a_break_glass_write_is_in_the_audit_log(control_plane: ControlPlane, guard: Recorder) -> None:
    labels = {"env": "dev", "control-plane": "x"}
    path = f"{LIVE}?dryRun=All&fieldManager=native-break-glass"
    assert control_plane.request("PATCH", path, {"metadata": {"labels": labels}}, **MERGE, **BREAK_GLASS)[0] == 200

    def recorded() -> str | None:
        for event in control_plane.audit_events():
            if "fieldManager=native-break-glass" in event["requestURI"]:
                return event["annotations"].get("namespaces.isolation-baseline.io/break-glass")
        return None

    assert control_plane.until(recorded, "the audit event") == "exempting-labels-reserved, environment-unchanged"


def test_a_policy_of_1024_rules_stays_within_the_budget(control_plane: ControlPlane, guard: Recorder) -> None:
    """CEL that costs too much refuses what is right, or under Ignore lets padding through."""
    nets = [f"10.{i}.{j}.0/24" for i in range(4) for j in range(4)]
    rules = [{"action": "Allow", "protocol": "TCP", "source": {"nets": nets}}] * 1024
    large = policy("large", ingress=rules, types=["Ingress"])
    assert control_plane.request("POST", f"{POLICIES}?dryRun=All", large)[0] == 201
    created(control_plane, POLICIES, large)
    status, answer = control_plane.request(
        "PATCH", f"{POLICIES}/large", {"metadata": {"labels": {"a": "b"}}}, **MERGE, **COLLECTOR
    )
    assert status == 200, answer
    assert control_plane.request("DELETE", f"{POLICIES}/large")[0] == 200


def test_the_content_of_a_terminating_namespace_is_waited_for(control_plane: ControlPlane, guard: Recorder) -> None:
    """Emptied early, its finalizers would leave the content to the next namespace of that name."""
    path = f"{NAMESPACES}/native-held"
    created(control_plane, NAMESPACES, {"metadata": {"name": "native-held"}})
    content = f"{CALICO}/namespaces/native-held/networkpolicies"
    held = policy("mine")
    held["metadata"]["finalizers"] = ["example.com/held"]
    created(control_plane, content, held)
    assert control_plane.request("DELETE", path)[0] == 200
    emptied = namespace("native-held", env="unassigned")
    status, answer = control_plane.request("PUT", f"{path}/finalize", emptied)
    assert (status, "[namespace-finalizers-kept]" in answer["message"]) == (403, True)
    released = {"metadata": {"finalizers": []}}
    assert control_plane.request("PATCH", f"{content}/mine", released, **MERGE)[0] == 200
    control_plane.until(lambda: control_plane.request("GET", path)[0] == 404 or None, "the end of native-held")
