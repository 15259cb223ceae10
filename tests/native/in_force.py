"""Our configurations and native policies in force on a real API server, with a webhook that allows everything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.controlplane import ControlPlane
from tests.recorder import Recorder, recording
from webhook.native import native_policies, probes
from webhook.policy.objects import CalicoApi
from webhook.policy.settings import Environment, Identities, Mode, Settings
from webhook.webhooks import ByUrl, mutating_configuration, validating_configuration

SETTINGS = Settings(
    environments=(Environment("dev", ("dev-*",)), Environment("lab", ("lab-*",), mode=Mode.AUDIT)),
    break_glass=Identities(groups=frozenset({"native-break-glass"})),
)
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
CONFIGURATION = f"{ADMISSION}/validatingwebhookconfigurations/isolation-baseline"
NAMESPACES = "/api/v1/namespaces"
CALICO = "/apis/crd.projectcalico.org/v1"
KINDS = (
    "validatingadmissionpolicybindings",
    "validatingadmissionpolicies",
    "validatingwebhookconfigurations",
    "mutatingwebhookconfigurations",
)
MERGE = {"content_type": "application/merge-patch+json"}
LIVE, LAB = f"{NAMESPACES}/native-live", f"{NAMESPACES}/lab-live"
POLICIES = f"{CALICO}/namespaces/native-live/networkpolicies"


@contextmanager
def in_force(control_plane: ControlPlane) -> Iterator[Recorder]:
    """Configurations and policies in force, two namespaces and a baseline; everything is taken away at the end."""
    with recording("env") as recorder:
        try:
            reached = ByUrl(recorder.url, recorder.ca)
            control_plane.apply(
                [mutating_configuration(SETTINGS, reached), validating_configuration(SETTINGS, reached)]
            )
            control_plane.apply(native_policies(SETTINGS, reached, CalicoApi.V1))
            control_plane.apply([_binding("native-break-glass", "cluster-admin")])
            until_acting(control_plane)
            for name, labels in (("native-live", {}), ("lab-live", {"env": "lab"})):
                created(control_plane, NAMESPACES, {"metadata": {"name": name, "labels": labels}})
            created(control_plane, f"{LIVE}/pods", pod({}))
            for name in ("default-deny", "native-live-ns-allow", "mine"):
                created(control_plane, POLICIES, policy(name))
            created(control_plane, f"{CALICO}/namespaces/kube-public/networkpolicies", policy("default-deny"))
            created(control_plane, f"{CALICO}/globalnetworkpolicies", policy("isolation-floor", "GlobalNetworkPolicy"))
            yield recorder
        finally:
            for kind in KINDS:
                selector = "labelSelector=app.kubernetes.io/part-of%3Disolation-baseline"
                control_plane.request("DELETE", f"{ADMISSION}/{kind}?{selector}")
            _until_gone(control_plane)
            for name in ("native-live", "lab-live"):
                control_plane.request("DELETE", f"{NAMESPACES}/{name}")
            control_plane.request("DELETE", f"{CALICO}/globalnetworkpolicies/isolation-floor")
            control_plane.request("DELETE", f"{CALICO}/namespaces/kube-public/networkpolicies/default-deny")


def until_acting(control_plane: ControlPlane) -> None:
    def acting() -> bool | None:
        for probe in probes(SETTINGS):
            status, body = control_plane.request(probe.method, probe.path, probe.body)
            if not probe.is_answered(status, str(body.get("message", ""))):
                return None
        return True

    control_plane.until(acting, "native policies in force")


def _until_gone(control_plane: ControlPlane) -> None:
    """Policies act for about a second after they are deleted; the tests after these want none of it."""
    labelled = {"metadata": {"name": "native-probe", "labels": {"control-plane": "true"}}}
    control_plane.until(
        lambda: control_plane.request("POST", f"{NAMESPACES}?dryRun=All", labelled)[0] == 201 or None,
        "native policies out of force",
    )


def _binding(group: str, role: str) -> dict[str, Any]:
    rbac = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{rbac}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": group},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": rbac, "kind": "Group", "name": group}],
    }


def created(control_plane: ControlPlane, path: str, body: dict[str, Any]) -> None:
    status, answer = control_plane.request("POST", path, body)
    assert status == 201, answer


def policy(name: str, kind: str = "NetworkPolicy", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "crd.projectcalico.org/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"order": 200, **spec},
    }


def pod(annotations: dict[str, str], name: str = "pod") -> dict[str, Any]:
    return {
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }


def namespace(name: str, finalizers: list[str] | None = None, **labels: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": labels},
        "spec": {"finalizers": finalizers or []},
    }


def impersonating(user: str, *groups: str) -> dict[str, Any]:
    # With the rights of system:masters: what is tried here is admission, not RBAC.
    return {"headers": {"Impersonate-User": user, "Impersonate-Group": groups[0] if groups else "system:masters"}}
