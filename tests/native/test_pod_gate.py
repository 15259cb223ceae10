"""The pod gate on a real API server: pods wait for the baseline of their namespace, where settings ask for that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.controlplane import ControlPlane
from tests.native.in_force import LAB, LIVE, MERGE, NAMESPACES, SETTINGS, created, impersonating, pod
from tests.recorder import Recorder
from webhook.native import native_policies
from webhook.policy.objects import CalicoApi
from webhook.policy.plan import READY_FOR
from webhook.policy.settings import Settings
from webhook.webhooks import ByUrl

NEW = f"{NAMESPACES}/native-new"
REFUSAL = "[baseline-ready] Pod native-new/{}: the baseline of its namespace is not there yet; try again in a second"
# Its other group is system:nodes; with the rights of system:masters, for what is tried here is admission.
KUBELET = {"headers": {"Impersonate-User": "system:node:native", "Impersonate-Group": "system:nodes"}}
BORROWED = impersonating("system:node:native", "tenants")
BREAK_GLASS = impersonating("bob", "native-break-glass")


def _gate(settings: Settings, guard: Recorder) -> list[dict[str, Any]]:
    generated = native_policies(settings, ByUrl(guard.url, guard.ca), CalicoApi.V1)
    return [made for made in generated if made["metadata"]["name"] == "pod-gate.isolation-baseline.io"]


def _bound_to(kind: str, name: str) -> dict[str, Any]:
    rbac = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{rbac}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"native-gate-{name.replace(':', '-')}"},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": rbac, "kind": kind, "name": name}],
    }


@pytest.fixture(scope="module")
def gate(control_plane: ControlPlane, guard: Recorder) -> Iterator[None]:
    """The gate asked for and in force, and a namespace that nobody has marked; switched off by applying again."""
    request = control_plane.request
    bindings = [_bound_to("User", "system:node:native")]
    created(control_plane, NAMESPACES, {"metadata": {"name": "native-new"}})
    control_plane.apply(bindings)
    try:
        control_plane.apply(_gate(replace(SETTINGS, pod_gate=True), guard))
        control_plane.until(lambda: _tried(control_plane)[0] == 403 or None, "the pod gate in force")
        yield
    finally:
        control_plane.apply(_gate(SETTINGS, guard))
        request("PATCH", NEW, {"metadata": {"annotations": {READY_FOR: None}}}, **MERGE)
        control_plane.until(lambda: _tried(control_plane)[0] == 201 or None, "the pod gate out of force")
        request("DELETE", NEW)
        for binding in bindings:
            name = binding["metadata"]["name"]
            request("DELETE", f"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{name}")


def _tried(control_plane: ControlPlane) -> tuple[int, dict[str, Any]]:
    return control_plane.request("POST", f"{NEW}/pods?dryRun=All", pod({}))


def _marked(control_plane: ControlPlane, value: str | None) -> None:
    status, answer = control_plane.request("PATCH", NEW, {"metadata": {"annotations": {READY_FOR: value}}}, **MERGE)
    assert status == 200, answer


def _mirror() -> dict[str, Any]:
    mirror = pod({"kubernetes.io/config.mirror": "0", "kubernetes.io/config.source": "file"}, "static-native")
    mirror["spec"]["nodeName"] = "native"
    return mirror


GENERATED = {"metadata": {"generateName": "job-"}, "spec": pod({})["spec"]}
Row = tuple[str, str, str, dict[str, Any], dict[str, Any], str]
TRIED: list[Row] = [
    ("a pod", "POST", f"{NEW}/pods", pod({}), {}, REFUSAL.format("pod")),
    ("a pod by generateName", "POST", f"{NEW}/pods", GENERATED, {}, "[baseline-ready] Pod native-new/job-"),
    ("by a controller", "POST", f"{NEW}/pods", pod({}), impersonating("replicaset-controller"), REFUSAL.format("pod")),
    ("a static pod by another", "POST", f"{NEW}/pods", _mirror(), BORROWED, REFUSAL.format("static-native")),
    ("a static pod by its kubelet", "POST", f"{NEW}/pods", _mirror(), KUBELET, ""),
    ("by break-glass", "POST", f"{NEW}/pods", pod({}), BREAK_GLASS, ""),
    ("in an exempt namespace", "POST", f"{NAMESPACES}/kube-public/pods", pod({}), {}, ""),
    ("where findings are only recorded", "POST", f"{LAB}/pods", pod({}), {}, ""),
    ("an edit of a pod that is there", "PATCH", f"{LIVE}/pods/pod", {"metadata": {"labels": {"a": "b"}}}, MERGE, ""),
]


@pytest.mark.parametrize(
    ("what", "method", "path", "body", "options", "refusal"), TRIED, ids=[row[0] for row in TRIED]
)  # fmt: skip
def test_who_waits_for_the_baseline(
    control_plane: ControlPlane,
    gate: None,
    what: str,
    method: str,
    path: str,
    body: dict[str, Any],
    options: dict[str, Any],
    refusal: str,
) -> None:
    status, answer = control_plane.request(method, f"{path}?dryRun=All", body, **options)
    message = str(answer.get("message", ""))
    if refusal:
        assert (status, answer["reason"]) == (403, "Forbidden"), answer
        assert f"denied request: {refusal}" in message
    else:
        assert status < 300, message


def test_the_gate_opens_by_the_mark_for_this_very_namespace(control_plane: ControlPlane, gate: None) -> None:
    """A mark from a backup, or from a namespace of that name before, is for another uid."""
    uid = control_plane.request("GET", NEW)[1]["metadata"]["uid"]
    _marked(control_plane, uid)
    control_plane.until(lambda: _tried(control_plane)[0] == 201 or None, "the gate open")
    for closed in ("", "00000000-0000-0000-0000-000000000000", uid.upper(), None):
        _marked(control_plane, closed)
        control_plane.until(lambda: _tried(control_plane)[0] == 403 or None, f"the gate closed by {closed!r}")
        _marked(control_plane, uid)
        control_plane.until(lambda: _tried(control_plane)[0] == 201 or None, "the gate open again")
    _marked(control_plane, None)
    control_plane.until(lambda: _tried(control_plane)[0] == 403 or None, "the gate closed")
