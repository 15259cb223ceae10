"""What a real API server asks us about, by a webhook that writes down every review; and what goes on without us."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.controlplane import ControlPlane
from tests.recorder import Recorder, recording
from webhook import scope
from webhook.policy.settings import Environment, Settings
from webhook.webhooks import ByUrl, mutating_configuration, validating_configuration

SETTINGS = Settings(environments=(Environment("dev", ("dev-*",)),))
NAMESPACES = "/api/v1/namespaces"
CALICO = "/apis/crd.projectcalico.org/v1"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
MERGE = {"content_type": "application/merge-patch+json"}
APPLY = {"content_type": "application/apply-patch+yaml"}
MUTATES, JUDGES = "/mutate-namespace CREATE namespaces", "/validate-namespace CREATE namespaces"
POLICY_CREATED, POLICY_EDITED, POLICY_DELETED = (
    f"/validate-policy {operation} networkpolicies" for operation in ("CREATE", "UPDATE", "DELETE")
)
GLOBAL_CREATED, TIER_CREATED = "/validate-policy CREATE globalnetworkpolicies", "/validate-policy CREATE tiers"
EDITS = "/validate-namespace UPDATE namespaces"


@pytest.fixture(scope="module")
def recorder(control_plane: ControlPlane) -> Iterator[Recorder]:
    """Our configurations in force, pointing at a webhook that allows everything and writes down what it was asked."""
    with recording("env") as listening:
        reached = ByUrl(listening.url, listening.ca)
        control_plane.apply([mutating_configuration(SETTINGS, reached), validating_configuration(SETTINGS, reached)])
        try:
            probe = {"metadata": {"name": "asked-probe"}}
            control_plane.until(
                lambda: (
                    (control_plane.request("POST", f"{NAMESPACES}?dryRun=All", probe) and len(listening.asked()) == 2)
                    or None
                ),
                "both configurations in force",
            )
            for name in ("asked-live", "asked-doomed"):
                _created(control_plane, NAMESPACES, {"metadata": {"name": name}})
            for name in ("aaa", "default-deny", "asked-live-ns-allow", "test-ns-allow"):
                _created(control_plane, f"{CALICO}/namespaces/asked-live/networkpolicies", _policy(name))
            _created(control_plane, f"{NAMESPACES}/asked-live/pods", _pod({}))
            _created(control_plane, f"{CALICO}/tiers", _tier("asked"))
            _created(control_plane, f"{CALICO}/globalnetworkpolicies", _policy("asked", "GlobalNetworkPolicy"))
            listening.taken()
            yield listening
        finally:
            for kind in ("validatingwebhookconfigurations", "mutatingwebhookconfigurations"):
                control_plane.request("DELETE", f"{ADMISSION}/{kind}/isolation-baseline")
            for path in (f"{CALICO}/tiers/asked", f"{CALICO}/globalnetworkpolicies/asked"):
                control_plane.request("DELETE", path)
            for name in ("asked-live", "asked-doomed"):
                control_plane.request("DELETE", f"{NAMESPACES}/{name}")


def _created(control_plane: ControlPlane, path: str, body: dict[str, Any]) -> None:
    status, answer = control_plane.request("POST", path, body)
    assert status == 201, answer


def _policy(name: str, kind: str = "NetworkPolicy", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "crd.projectcalico.org/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"order": 200, **spec},
    }


def _tier(name: str) -> dict[str, Any]:
    # The API server's own schema fixes what the built-in one says.
    spec = (
        {"order": 1_000_000.0, "defaultAction": "Deny"}
        if name == "default"
        else {"order": 50.0, "defaultAction": "Pass"}
    )
    return {
        "apiVersion": "crd.projectcalico.org/v1",
        "kind": "Tier",
        "metadata": {"name": name},
        "spec": spec,
    }


def _pod(annotations: dict[str, str], name: str = "pod") -> dict[str, Any]:
    return {
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }


def _namespace(finalizers: list[str] | None = None, **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "asked-live", "labels": {"env": "unassigned"}, **metadata},
        "spec": {"finalizers": ["kubernetes"] if finalizers is None else finalizers},
    }


def _as(user: str, *groups: str) -> dict[str, Any]:
    # With the rights of system:masters: what is tried here is who is asked about, not what RBAC says.
    return {"headers": {"Impersonate-User": user, "Impersonate-Group": ",".join(groups) or "system:masters"}}


LIVE = f"{NAMESPACES}/asked-live"
POLICIES = f"{CALICO}/namespaces/asked-live/networkpolicies"
CLAIM = {"cni.projectcalico.org/podIP": "203.0.113.7"}
NAMESPACE_CONTROLLER = _as("system:serviceaccount:kube-system:namespace-controller")
OPERATOR = _as("system:serviceaccount:tigera-operator:tigera-operator")
NODE = _as("system:serviceaccount:calico-system:calico-node")
RELAY = _as("system:serviceaccount:calico-system:calico-apiserver")
ALICE = _as("alice")

Row = tuple[str, str, str, Any, dict[str, Any], list[str]]

# What, method, path (dry runs, so that rows do not depend on each other), body, options; what we are asked.
ASKED: list[Row] = [
    ("a namespace", "POST", NAMESPACES, {"metadata": {"name": "asked-a"}}, {}, [MUTATES, JUDGES]),
    ("by generateName", "POST", NAMESPACES, {"metadata": {"generateName": "asked-"}}, {}, [MUTATES, JUDGES]),
    (
        "by apply",
        "PATCH",
        f"{NAMESPACES}/asked-b?fieldManager=t",
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "asked-b"}},
        APPLY,
        [MUTATES, JUDGES],
    ),
    (
        "with the label it is not labelled",
        "POST",
        NAMESPACES,
        {"metadata": {"name": "asked-c", "labels": {"env": "dev"}}},
        {},
        [JUDGES],
    ),
    ("an exempt namespace", "PATCH", f"{NAMESPACES}/kube-system", {"metadata": {"labels": {"a": "b"}}}, MERGE, []),
    ("an edit that changes nothing", "PATCH", LIVE, {"metadata": {}}, MERGE, [EDITS]),
    ("a label is removed", "PATCH", LIVE, {"metadata": {"labels": {"env": None}}}, MERGE, [EDITS]),
    ("status, only the phase", "PATCH", f"{LIVE}/status", {"status": {"phase": "Active"}}, MERGE, []),
    *(
        (f"status, {what}", "PATCH", f"{LIVE}/status", {"metadata": metadata}, MERGE, [f"{EDITS}/status"])
        for what, metadata in (
            ("a label", {"labels": {"control-plane": "true"}}),
            ("the environment", {"labels": {"env": "dev"}}),
            ("an annotation", {"annotations": {"a": "b"}}),
            ("a finalizer", {"finalizers": ["example.com/held"]}),
            ("an owner", {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "y"}]}),
        )
    ),
    ("finalize, unchanged", "PUT", f"{LIVE}/finalize", _namespace(), {}, []),
    ("finalize, a label", "PUT", f"{LIVE}/finalize", _namespace(labels={}), {}, [f"{EDITS}/finalize"]),
    ("finalize, emptied", "PUT", f"{LIVE}/finalize", _namespace([]), {}, [f"{EDITS}/finalize"]),
    # Its controller empties what is being deleted; whoever borrows that name for a live namespace is asked about.
    (
        "finalize, emptied as its controller",
        "PUT",
        f"{LIVE}/finalize",
        _namespace([]),
        NAMESPACE_CONTROLLER,
        [f"{EDITS}/finalize"],
    ),
    ("a namespace's deletion", "DELETE", LIVE, None, {}, []),
    ("a policy", "POST", POLICIES, _policy("asked-d"), {}, [POLICY_CREATED]),
    (
        "a policy by generateName",
        "POST",
        POLICIES,
        {**_policy(""), "metadata": {"generateName": "a-"}},
        {},
        [POLICY_CREATED],
    ),
    ("a policy's edit", "PATCH", f"{POLICIES}/aaa", {"spec": {"order": 300}}, MERGE, [POLICY_EDITED]),
    ("in an exempt namespace", "POST", f"{CALICO}/namespaces/kube-system/networkpolicies", _policy("asked-e"), {}, []),
    (
        "Kubernetes' own kind",
        "POST",
        "/apis/networking.k8s.io/v1/namespaces/asked-live/networkpolicies",
        {"metadata": {"name": "a"}, "spec": {"podSelector": {}}},
        {},
        [POLICY_CREATED],
    ),
    (
        "cluster-wide",
        "POST",
        f"{CALICO}/globalnetworkpolicies",
        _policy("asked-f", "GlobalNetworkPolicy"),
        {},
        [GLOBAL_CREATED],
    ),
    ("a tenant's policy is deleted", "DELETE", f"{POLICIES}/aaa", None, {}, []),
    ("the article's test-ns-allow is deleted", "DELETE", f"{POLICIES}/test-ns-allow", None, {}, []),
    ("default-deny is deleted", "DELETE", f"{POLICIES}/default-deny", None, {}, [POLICY_DELETED]),
    ("the own ns-allow is deleted", "DELETE", f"{POLICIES}/asked-live-ns-allow", None, {}, [POLICY_DELETED]),
    ("all are deleted at once", "DELETE", POLICIES, None, {}, [POLICY_DELETED] * 2),
    ("by the namespace controller", "DELETE", POLICIES, None, NAMESPACE_CONTROLLER, []),
    ("by Calico's API server", "DELETE", f"{POLICIES}/default-deny", None, RELAY, [POLICY_DELETED]),
    ("a global policy is deleted", "DELETE", f"{CALICO}/globalnetworkpolicies/asked", None, {}, []),
    ("a tier", "POST", f"{CALICO}/tiers", _tier("asked-g"), {}, [TIER_CREATED]),
    ("a tier is deleted", "DELETE", f"{CALICO}/tiers/asked", None, {}, ["/validate-policy DELETE tiers"]),
    ("a built-in tier again, by calico-node", "POST", f"{CALICO}/tiers", _tier("default"), NODE, []),
    ("a built-in tier again, by somebody", "POST", f"{CALICO}/tiers", _tier("default"), ALICE, [TIER_CREATED]),
    ("another tier by calico-node", "POST", f"{CALICO}/tiers", _tier("asked-h"), NODE, [TIER_CREATED]),
    (
        "a tier's finalizer by calico-node",
        "PATCH",
        f"{CALICO}/tiers/asked",
        {"metadata": {"finalizers": ["projectcalico.org/tier-controller"]}},
        {**MERGE, **NODE},
        [],
    ),
    (
        "a tier's order by calico-node",
        "PATCH",
        f"{CALICO}/tiers/asked",
        {"spec": {"order": 1.0}},
        {**MERGE, **NODE},
        ["/validate-policy UPDATE tiers"],
    ),
    (
        "the operator's own policy",
        "POST",
        f"{CALICO}/globalnetworkpolicies",
        _policy("calico-system.x", "GlobalNetworkPolicy", tier="calico-system"),
        OPERATOR,
        [],
    ),
    (
        "the same by somebody",
        "POST",
        f"{CALICO}/globalnetworkpolicies",
        _policy("calico-system.x", "GlobalNetworkPolicy", tier="calico-system"),
        ALICE,
        [GLOBAL_CREATED],
    ),
    (
        "the operator's name in another tier",
        "POST",
        f"{CALICO}/globalnetworkpolicies",
        _policy("calico-system.x", "GlobalNetworkPolicy", tier="default"),
        OPERATOR,
        [GLOBAL_CREATED],
    ),
    ("a pod", "POST", f"{LIVE}/pods", _pod({"a": "b"}, "other"), {}, []),
    ("a pod that claims an address", "POST", f"{LIVE}/pods", _pod(CLAIM, "other"), {}, ["/validate-pod CREATE pods"]),
    (
        "a claim by status",
        "PATCH",
        f"{LIVE}/pods/pod/status",
        {"metadata": {"annotations": CLAIM}},
        MERGE,
        ["/validate-pod UPDATE pods/status"],
    ),
    (
        "a claim by a binding",
        "POST",
        f"{LIVE}/pods/pod/binding",
        {"metadata": {"name": "pod", "annotations": CLAIM}, "target": {"kind": "Node", "name": "n"}},
        {},
        ["/validate-pod CREATE pods/binding"],
    ),
    (
        "a claim by the older binding",
        "POST",
        f"{LIVE}/bindings",
        {"metadata": {"name": "pod", "annotations": CLAIM}, "target": {"kind": "Node", "name": "n"}},
        {},
        ["/validate-pod CREATE bindings"],
    ),
    (
        "a claim by the network plugin",
        "PATCH",
        f"{LIVE}/pods/pod/status",
        {"metadata": {"annotations": CLAIM}},
        {**MERGE, **NODE},
        [],
    ),
    (
        "a claim by a user named like a node",
        "PATCH",
        f"{LIVE}/pods/pod/status",
        {"metadata": {"annotations": CLAIM}},
        {**MERGE, **_as("system:node:n")},
        ["/validate-pod UPDATE pods/status"],
    ),
    ("a pod's deletion", "DELETE", f"{LIVE}/pods/pod", None, {}, []),
]


@pytest.mark.parametrize(("what", "method", "path", "body", "options", "asked"), ASKED, ids=[row[0] for row in ASKED])
def test_what_is_asked(
    control_plane: ControlPlane,
    recorder: Recorder,
    what: str,
    method: str,
    path: str,
    body: Any,
    options: dict[str, Any],
    asked: list[str],
) -> None:
    dry = f"{path}{'&' if '?' in path else '?'}dryRun=All"
    status, answer = control_plane.request(method, dry, body, **options)
    assert recorder.asked() == asked
    # An error in a condition answers 403 without asking; a built-in tier that is there already answers 409.
    assert status < 300 or (status == 409 and "default" in str(answer)), answer


def test_stored_as_generated(control_plane: ControlPlane, recorder: Recorder) -> None:
    """Every default is written out, so that nothing differs when nobody changed anything."""
    reached = ByUrl(recorder.url, recorder.ca)
    for kind, wanted in (
        ("validatingwebhookconfigurations", validating_configuration(SETTINGS, reached)),
        ("mutatingwebhookconfigurations", mutating_configuration(SETTINGS, reached)),
    ):
        stored = control_plane.request("GET", f"{ADMISSION}/{kind}/isolation-baseline")[1]
        assert stored["webhooks"] == wanted["webhooks"]


def test_every_resource_is_one_that_the_api_server_knows(control_plane: ControlPlane) -> None:
    """A misspelt resource is accepted in silence and asks about nothing; nothing here is spelt by one hand only."""
    known = {
        (group, resource["name"])
        for group, path in (
            ("", "/api/v1"),
            ("networking.k8s.io", "/apis/networking.k8s.io/v1"),
            ("crd.projectcalico.org", CALICO),
            ("policy.networking.k8s.io", "/apis/policy.networking.k8s.io/v1alpha2"),
        )
        for resource in control_plane.request("GET", path)[1]["resources"]
    }
    judged = {(row.group, resource) for row in scope.JUDGED for resource in row.resources}
    # The same definitions in Calico's other group; the first two were served by Calico 3.29 to 3.31 only.
    elsewhere = {("policy.networking.k8s.io", f"{kind}networkpolicies") for kind in ("admin", "baselineadmin")}
    elsewhere |= {("projectcalico.org", name) for group, name in known if group == "crd.projectcalico.org"}
    assert judged <= known | elsewhere


def test_nothing_waits_for_us_that_keeps_the_cluster_going(control_plane: ControlPlane, recorder: Recorder) -> None:
    """With nobody listening: what must go on goes on, what must be judged is refused."""
    administrator = control_plane.request
    with recorder.down():
        assert administrator("POST", f"{NAMESPACES}?dryRun=All", {"metadata": {"name": "asked-z"}})[0] == 500
        assert administrator("POST", f"{POLICIES}?dryRun=All", _policy("asked-z"))[0] == 500
        assert administrator("POST", f"{LIVE}/pods?dryRun=All", _pod({}, "another"))[0] == 201
        assert administrator("PATCH", f"{NAMESPACES}/kube-system", {"metadata": {}}, **MERGE)[0] == 200
        assert administrator("POST", f"{CALICO}/tiers?dryRun=All", _tier("default"), **NODE)[0] == 409
        assert administrator("DELETE", f"{POLICIES}/aaa?dryRun=All")[0] == 200


def test_a_namespace_empties_itself_while_we_are_dead(control_plane: ControlPlane, recorder: Recorder) -> None:
    doomed = f"{CALICO}/namespaces/asked-doomed/networkpolicies"
    for name in ("default-deny", "dns-allow", "asked-doomed-ns-allow", "mine"):
        _created(control_plane, doomed, _policy(name))
    with recorder.down():
        assert control_plane.request("DELETE", f"{NAMESPACES}/asked-doomed")[0] == 200
        control_plane.until(
            lambda: control_plane.request("GET", f"{NAMESPACES}/asked-doomed")[0] == 404 or None,
            "the end of asked-doomed",
        )
