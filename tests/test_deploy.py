"""The folders under deploy/: as generated, as kustomize builds them, as a real API server takes them, what they may."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from tests.controlplane import ControlPlane
from webhook.deploy import SERVICE, deploy_manifests, generate, generate_deploy
from webhook.native import native_policies
from webhook.policy.objects import CalicoApi
from webhook.policy.settings import OWN_NAMESPACE
from webhook.policy.settings_file import load
from webhook.webhooks import ByService

DEPLOY = Path(__file__).parents[1] / "deploy"
EXAMPLE = Path(__file__).parents[1] / "webhook/data/settings.example.yaml"
GENERATED = [("base", CalicoApi.V1), ("overlays/aks", CalicoApi.V1), ("overlays/calico-v3", CalicoApi.NATIVE)]
BUILT = [*(folder for folder, _ in GENERATED), "overlays/cert-manager"]
Manifest = dict[str, Any]


# As files.


@pytest.mark.parametrize(("folder", "api"), GENERATED, ids=[folder for folder, _ in GENERATED])
def test_what_is_generated_is_as_generated(folder: str, api: CalicoApi) -> None:
    wanted = generate(DEPLOY / folder, api)
    found = {path: path.read_text() for path in (DEPLOY / folder / "generated").iterdir()}
    assert found == wanted, f"run: isolation-baseline generate-deploy deploy/{folder} --calico-api {api.name.lower()}"


def test_the_base_starts_from_the_documented_example() -> None:
    for folder in ("base", "overlays/calico-v3"):
        assert (DEPLOY / folder / "settings.yaml").read_text() == EXAMPLE.read_text()


def test_the_command_writes_what_differs_and_removes_what_is_stale(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text(EXAMPLE.read_text())
    (tmp_path / "generated").mkdir()
    (tmp_path / "generated/stale.yaml").write_text("")
    run = CliRunner().invoke
    assert run(generate_deploy, [str(tmp_path), "--check"]).exit_code == 1
    assert run(generate_deploy, [str(tmp_path)]).exit_code == 0
    assert run(generate_deploy, [str(tmp_path), "--check"]).exit_code == 0
    assert not (tmp_path / "generated/stale.yaml").exists()


def test_without_calicos_resources_there_is_no_floor() -> None:
    assert set(deploy_manifests(load(EXAMPLE.read_text()), CalicoApi.KUBERNETES)) == {
        "webhook-configurations.yaml",
        "native-policies.yaml",
    }


def _static(name: str) -> list[Manifest]:
    return list(yaml.safe_load_all((DEPLOY / "workloads" / name).read_text()))


WORKLOADS = [m for name in ("webhook.yaml", "controller.yaml") for m in _static(name) if m["kind"] == "Deployment"]


@pytest.mark.parametrize("workload", WORKLOADS, ids=[w["metadata"]["name"] for w in WORKLOADS])
def test_a_pod_may_do_as_little_as_it_can(workload: Manifest) -> None:
    spec = workload["spec"]["template"]["spec"]
    assert workload["spec"]["replicas"] >= 2
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "memory" in container["resources"]["limits"]
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container)


@pytest.mark.parametrize("workload", WORKLOADS, ids=[w["metadata"]["name"] for w in WORKLOADS])
def test_the_arguments_are_ones_that_the_command_takes(workload: Manifest) -> None:
    from webhook import roles

    (container,) = workload["spec"]["template"]["spec"]["containers"]
    name, *arguments = container["args"]
    command = getattr(roles, name)
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {argument.partition("=")[0] for argument in arguments} <= known


def test_no_role_has_a_wildcard_or_a_right_that_makes_rights() -> None:
    for role in _static("rbac.yaml"):
        for rule in role.get("rules", ()):
            words = {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
            assert not words & {"*", "escalate", "bind", "impersonate", "pods/exec", "nodes"}
            if "secrets" in rule["resources"]:
                assert role["kind"] == "Role"


def test_the_controller_may_write_exactly_the_policies_that_are_generated() -> None:
    names = {
        m["metadata"]["name"]
        for m in native_policies(load(EXAMPLE.read_text()), ByService(OWN_NAMESPACE, SERVICE), CalicoApi.V1)
    }
    (granted,) = (
        set(rule["resourceNames"])
        for role in _static("rbac.yaml")
        for rule in role.get("rules", ())
        if "validatingadmissionpolicies" in rule["resources"] and "update" in rule["verbs"]
    )
    assert granted == names


# By kustomize and on the API server.


def _built(control_plane: ControlPlane, folder: str) -> list[Manifest]:
    done = control_plane.kubectl("kustomize", str(DEPLOY / folder))
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@pytest.mark.parametrize("folder", BUILT)
def test_a_folder_builds_and_holds_everything(control_plane: ControlPlane, folder: str) -> None:
    built = _built(control_plane, folder)
    kinds = {m["kind"] for m in built}
    assert {
        "Namespace",
        "Deployment",
        "Service",
        "ConfigMap",
        "GlobalNetworkPolicy",
        "ValidatingWebhookConfiguration",
        "MutatingWebhookConfiguration",
        "ValidatingAdmissionPolicy",
    } <= kinds
    (settings,) = (m for m in built if m["kind"] == "ConfigMap")
    load(settings["data"]["settings.yaml"])
    controller = next(
        m for m in built if m["metadata"]["name"] == "isolation-baseline-controller" and m["kind"] == "Deployment"
    )
    managed = "--manage-certificates" in controller["spec"]["template"]["spec"]["containers"][0]["args"]
    secrets = any("secrets" in rule["resources"] for m in built for rule in m.get("rules", ()))
    assert managed == secrets == (folder != "overlays/cert-manager")


CLUSTER_WIDE = (
    "clusterrolebindings,validatingadmissionpolicybindings,validatingadmissionpolicies,"
    "validatingwebhookconfigurations,mutatingwebhookconfigurations"
)
PART_OF = "app.kubernetes.io/part-of=isolation-baseline"


@pytest.fixture(scope="module")
def installed(control_plane: ControlPlane) -> Iterator[list[Manifest]]:
    """deploy/base as `kubectl apply -k` puts it there, and taken away by the documented command."""
    try:
        applied = control_plane.kubectl("apply", "-k", str(DEPLOY / "base"))
        assert applied.returncode == 0, applied.stderr
        yield _built(control_plane, "base")
    finally:
        taken = control_plane.kubectl("delete", CLUSTER_WIDE, "-l", PART_OF, "--wait=false")
        assert taken.returncode == 0, taken.stderr
        control_plane.until(
            lambda: control_plane.request("POST", "/api/v1/namespaces?dryRun=All", _labelled())[0] == 201 or None,
            "native policies out of force",
        )
        control_plane.kubectl("delete", "globalnetworkpolicies.crd.projectcalico.org", "isolation-floor")
        control_plane.kubectl("delete", "clusterroles", "-l", PART_OF)
        control_plane.kubectl("delete", "role,rolebinding", "-n", "default", "-l", PART_OF)
        control_plane.kubectl("delete", "namespace", OWN_NAMESPACE, "--wait=false")


def _labelled() -> Manifest:
    return {"metadata": {"name": "deploy-probe", "labels": {"control-plane": "true"}}}


def test_the_base_is_accepted_and_stays_when_applied_again(
    control_plane: ControlPlane, installed: list[Manifest]
) -> None:
    again = control_plane.kubectl("diff", "-k", str(DEPLOY / "base"))
    assert (again.returncode, again.stdout) == (0, "")


def test_our_own_pods_are_made_while_the_webhook_is_dead(
    control_plane: ControlPlane, installed: list[Manifest]
) -> None:
    """Nobody serves yet: our rollout must not wait for ourselves."""

    def made() -> list[Manifest] | None:
        pods = control_plane.request("GET", f"/api/v1/namespaces/{OWN_NAMESPACE}/pods")[1]["items"]
        return pods if len(pods) == sum(w["spec"]["replicas"] for w in WORKLOADS) else None

    pods = control_plane.until(made, "our pods")
    assert {pod["spec"]["priorityClassName"] for pod in pods} == {"system-cluster-critical"}


GRANTED = [
    ("controller", "create", "networkpolicies.crd.projectcalico.org", "any", True),
    ("controller", "delete", "networkpolicies.projectcalico.org", "any", True),
    ("controller", "update", "globalnetworkpolicies.crd.projectcalico.org/isolation-floor", "", True),
    ("controller", "update", "globalnetworkpolicies.crd.projectcalico.org/other", "", False),
    ("controller", "patch", "namespaces", "", True),
    ("controller", "update", "validatingwebhookconfigurations/isolation-baseline", "", True),
    ("controller", "update", "validatingwebhookconfigurations/other", "", False),
    ("controller", "delete", "validatingwebhookconfigurations/isolation-baseline", "", False),
    ("controller", "get", "secrets/isolation-baseline-ca", OWN_NAMESPACE, True),
    ("controller", "get", "secrets/other", OWN_NAMESPACE, False),
    ("controller", "get", "secrets/isolation-baseline-ca", "default", False),
    ("controller", "create", "pods", OWN_NAMESPACE, False),
    ("webhook", "watch", "namespaces", "", True),
    ("webhook", "list", "networkpolicies.networking.k8s.io", "any", True),
    ("webhook", "get", "secrets/isolation-baseline-tls", OWN_NAMESPACE, False),
    ("webhook", "patch", "namespaces", "", False),
    ("webhook", "create", "networkpolicies.crd.projectcalico.org", "any", False),
]


@pytest.mark.parametrize(("account", "verb", "resource", "namespace", "granted"), GRANTED)
def test_an_account_may_do_its_work_and_no_more(
    control_plane: ControlPlane,
    installed: list[Manifest],
    account: str,
    verb: str,
    resource: str,
    namespace: str,
    granted: bool,
) -> None:
    resource, _, name = resource.partition("/")
    plural, _, group = resource.partition(".")
    asked = {"verb": verb, "group": group, "resource": plural, "name": name, "namespace": namespace}
    if plural.startswith("validating"):
        asked["group"] = "admissionregistration.k8s.io"
    user = f"system:serviceaccount:{OWN_NAMESPACE}:{account}"
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{OWN_NAMESPACE}", "system:authenticated"]
    review = {"kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1"}
    review |= {"spec": {"user": user, "groups": groups, "resourceAttributes": asked}}
    answer = control_plane.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)[1]
    assert answer["status"]["allowed"] is granted
