"""The control plane itself: it is a real one, its people may do what they should, and nothing of it stays behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane import ControlPlane, Identity, calico, running, versions

PROJECT = Path(__file__).parents[2]


def namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def config_map(name: str, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}


def can_i(control_plane: ControlPlane, identity: Identity, verb: str, group: str, resource: str) -> bool:
    resource, _, subresource = resource.partition("/")
    attributes = {"verb": verb, "group": group, "resource": resource, "subresource": subresource, "namespace": "shop"}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    status, body = control_plane.request("POST", path, review, as_=identity)
    assert status == 201, body
    return bool(body["status"]["allowed"])


def test_the_server_is_the_wanted_version(control_plane: ControlPlane) -> None:
    status, body = control_plane.request("GET", "/version")
    assert (status, versions.minor(body["gitVersion"])) == (200, versions.minor(versions.kubernetes()))


PEOPLE = [
    ("administrator", "administrator", {"system:masters", "system:authenticated"}),
    ("tenant", "alice", {"tenants", "system:authenticated"}),
    ("engineer", "paula", {"platform-admins", "system:authenticated"}),
]


@pytest.mark.parametrize(("who", "user", "groups"), PEOPLE, ids=[who for who, _, _ in PEOPLE])
def test_the_server_knows_who_asks(control_plane: ControlPlane, who: str, user: str, groups: set[str]) -> None:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    identity = getattr(control_plane, who)
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    _, body = control_plane.request("POST", path, review, as_=identity)
    found = body["status"]["userInfo"]
    assert (found["username"], set(found["groups"])) == (user, groups)
    answer = control_plane.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}", as_=identity)
    assert (answer.returncode, answer.stdout) == (0, user)


RIGHTS = [
    ("tenant", "create", "", "namespaces", True),
    ("tenant", "update", "", "namespaces/status", True),
    ("tenant", "update", "", "namespaces/finalize", True),
    ("tenant", "deletecollection", "crd.projectcalico.org", "networkpolicies", True),
    ("tenant", "create", "projectcalico.org", "globalnetworkpolicies", True),
    ("tenant", "create", "networking.k8s.io", "networkpolicies", True),
    ("tenant", "create", "crd.projectcalico.org", "tiers", False),
    ("tenant", "create", "rbac.authorization.k8s.io", "clusterrolebindings", False),
    ("tenant", "update", "admissionregistration.k8s.io", "validatingwebhookconfigurations", False),
    ("tenant", "get", "", "secrets", False),
    ("engineer", "update", "admissionregistration.k8s.io", "validatingwebhookconfigurations", True),
    ("administrator", "impersonate", "", "users", True),
]


@pytest.mark.parametrize(("who", "verb", "group", "resource", "allowed"), RIGHTS)
def test_rbac(control_plane: ControlPlane, who: str, verb: str, group: str, resource: str, allowed: bool) -> None:
    assert can_i(control_plane, getattr(control_plane, who), verb, group, resource) is allowed


def test_a_tenant_is_refused_a_cluster_role_binding(control_plane: ControlPlane) -> None:
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "grab"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice"}],
    }
    path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    status, body = control_plane.request("POST", path, binding, as_=control_plane.tenant)
    assert (status, body["reason"]) == (403, "Forbidden")


def test_another_user_has_only_what_rbac_gives(control_plane: ControlPlane) -> None:
    mallory = control_plane.identity("mallory", "strangers")
    assert control_plane.request("GET", "/api/v1/namespaces", as_=mallory)[0] == 403
    colleague = control_plane.identity("bob", "tenants")
    assert control_plane.request("GET", "/api/v1/namespaces", as_=colleague)[0] == 200


def test_a_service_account_has_a_token(control_plane: ControlPlane) -> None:
    account = control_plane.service_account("default", "default")
    answer = control_plane.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}", as_=account)
    assert answer.stdout == account.user == "system:serviceaccount:default:default"
    assert control_plane.request("GET", "/api/v1/namespaces", as_=account)[0] == 403


def test_a_namespace_terminates_with_its_content(control_plane: ControlPlane) -> None:
    base = "/api/v1/namespaces"
    assert control_plane.request("POST", base, namespace("ending"), as_=control_plane.tenant)[0] == 201
    assert control_plane.request("POST", f"{base}/ending/configmaps", config_map("content"))[0] == 201
    assert control_plane.request("DELETE", f"{base}/ending", as_=control_plane.tenant)[0] == 200
    control_plane.until(lambda: control_plane.request("GET", f"{base}/ending")[0] == 404 or None, "termination")


def test_the_garbage_collector_removes_what_its_owner_leaves(control_plane: ControlPlane) -> None:
    base = "/api/v1/namespaces/default/configmaps"
    _, owner = control_plane.request("POST", base, config_map("owner"))
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    assert control_plane.request("POST", base, config_map("owned", ownerReferences=[reference]))[0] == 201
    assert control_plane.request("DELETE", f"{base}/owner")[0] == 200
    control_plane.until(lambda: control_plane.request("GET", f"{base}/owned")[0] == 404 or None, "collection")


def test_calicos_kinds_are_served_with_their_schema(control_plane: ControlPlane) -> None:
    base = "/apis/crd.projectcalico.org/v1/namespaces/default/networkpolicies"
    policy = {
        "apiVersion": "crd.projectcalico.org/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "schema"},
        "spec": {"order": 500.5, "ingress": [{"action": "Allow"}], "nonsense": 1},
    }
    status, body = control_plane.request("POST", base, policy, as_=control_plane.tenant)
    assert (status, body["spec"]) == (201, {"tier": "default", "order": 500.5, "ingress": [{"action": "Allow"}]})
    refusals: list[dict[str, Any]] = [{"order": "500"}, {"ingress": [{"action": "Permit"}]}, {"ingress": [{}]}]
    for spec in refusals:
        refused = policy | {"metadata": {"name": "refused"}, "spec": spec}
        assert control_plane.request("POST", base, refused)[0] == 422, spec
    assert control_plane.request("DELETE", f"{base}/schema")[0] == 200


def outline(definition: dict[str, Any]) -> tuple[Any, ...]:
    """What a client has to agree with, whoever wrote the schema."""
    spec = definition["spec"]
    versions_ = [(v["name"], v.get("subresources", {}).keys() & {"status"}) for v in spec["versions"]]
    names = spec["names"]
    return spec["group"], spec["scope"], names["kind"], names["plural"], names["listKind"], versions_


GROUPS = [calico.V1_GROUP, calico.V3_GROUP, calico.CLUSTER_POLICY_GROUP]


@pytest.mark.parametrize("group", GROUPS)
def test_the_stand_ins_are_valid_and_outlined_like_what_is_installed(control_plane: ControlPlane, group: str) -> None:
    stand_ins = calico.stand_ins(group)
    for definition in stand_ins:
        path = f"{control_plane.path_of(definition)}?fieldManager=stand-in&force=true&dryRun=All"
        status, body = control_plane.request("PATCH", path, definition, content_type="application/apply-patch+yaml")
        assert status in (200, 201), body
    installed = calico.definitions(group)  # Calico's own where CALICO_CRDS is set
    assert sorted(map(outline, stand_ins), key=str) == sorted(map(outline, installed), key=str)


def test_the_built_in_tiers_are_there(control_plane: ControlPlane) -> None:
    _, body = control_plane.request("GET", "/apis/crd.projectcalico.org/v1/tiers")
    orders = {tier["metadata"]["name"]: tier["spec"]["order"] for tier in body["items"]}
    assert orders == {"kube-admin": 1000, "default": 1_000_000, "kube-baseline": 10_000_000}


def test_the_audit_log_names_the_user(control_plane: ControlPlane) -> None:
    path = "/api/v1/namespaces/default/configmaps/audited"
    assert control_plane.request("GET", path, as_=control_plane.engineer)[0] == 404

    def written() -> dict[str, Any] | None:
        return next((e for e in control_plane.audit_events() if e["requestURI"] == path), None)

    event = control_plane.until(written, "the audit event")
    assert (event["user"]["username"], event["responseStatus"]["code"]) == ("paula", 404)


def test_an_aggregated_server_would_find_our_front_proxy(control_plane: ControlPlane) -> None:
    path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
    status, body = control_plane.request("GET", path)
    assert (status, body["data"]["requestheader-allowed-names"]) == (200, '["front-proxy-client"]')


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.apiserver
def test_native_kinds_and_an_end_that_leaves_nothing() -> None:
    with running(calico.V3_GROUP) as control_plane:
        status, body = control_plane.request("GET", "/apis/projectcalico.org/v3/tiers", as_=control_plane.tenant)
        assert (status, len(body["items"])) == (200, 3)
        assert control_plane.request("GET", "/apis/crd.projectcalico.org/v1/tiers")[0] == 404
        pids = [process.popen.pid for process in control_plane.running]
        assert len(pids) == 3
        assert all(map(is_alive, pids))
    assert not any(map(is_alive, pids))
    assert not control_plane.folder.exists()


@pytest.mark.apiserver
def test_a_killed_parent_leaves_nothing_either() -> None:
    program = (
        "import signal; from tests.controlplane import running\n"
        "with running(None) as c:\n"
        "    print(c.folder, *(p.popen.pid for p in c.running), flush=True)\n"
        "    signal.pause()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        folder, *pids = parent.stdout.readline().split()
        assert all(is_alive(int(pid)) for pid in pids)
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and (Path(folder).exists() or any(is_alive(int(pid)) for pid in pids)):
        time.sleep(0.1)
    assert not any(is_alive(int(pid)) for pid in pids)
    assert not Path(folder).exists()
