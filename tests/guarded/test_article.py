"""The article on a real API server, by `isolation-baseline dev`: born isolated, kept, and able to go."""

from __future__ import annotations

import concurrent.futures
import os
import signal
from typing import Any

import pytest

from tests.guarded.conftest import POLICIES, Guarded, policy

FROM_TEST = [{"action": "Allow", "protocol": "TCP", "source": {"namespaceSelector": 'env == "test"'}}]
BASELINE = {"default-deny": 5000, "dns-allow": 4000}


@pytest.fixture(scope="module")
def development(guarded: Guarded) -> Any:
    """The article's namespace."""
    return guarded.namespace("development")


def test_a_namespace_gets_its_label_and_three_policies(guarded: Guarded, development: Any) -> None:
    """By itself, with the article's names and orders, and it is said how long it took."""
    assert development["metadata"]["labels"]["env"] == "dev"
    assert float(development["metadata"]["annotations"]["isolation-baseline.io/ready-seconds"]) < 10
    found = {name: item["spec"]["order"] for name, item in guarded.policies("development").items()}
    assert found == {**BASELINE, "development-ns-allow": 500}


def test_a_namespace_from_before_is_adopted(guarded: Guarded) -> None:
    """What was there when the product came is labelled and isolated too, and so is namespace default."""
    assert guarded.settled("test-from-before")["metadata"]["labels"]["env"] == "test"
    assert guarded.settled("default")["metadata"]["labels"]["env"] == "unassigned"
    assert set(guarded.policies("default")) == {*BASELINE, "default-ns-allow"}


def test_exempt_namespaces_are_left_alone(guarded: Guarded) -> None:
    """No label and no policy in kube-system."""
    _, found = guarded.control_plane.request("GET", "/api/v1/namespaces/kube-system")
    assert "env" not in found["metadata"]["labels"]
    assert guarded.policies("kube-system") == {}


def test_the_floor_is_there_and_cannot_be_deleted(guarded: Guarded) -> None:
    """Also not by the administrator."""
    path = "/apis/crd.projectcalico.org/v1/globalnetworkpolicies/isolation-floor"
    assert guarded.control_plane.request("GET", path)[0] == 200
    status, answer = guarded.control_plane.request("DELETE", path)
    assert status == 403
    assert "[baseline-present]" in answer["message"]


@pytest.mark.usefixtures("development")
def test_the_articles_policy_is_accepted(guarded: Guarded) -> None:
    """test-ns-allow as the article has it: order 600, ingress from env test, which the settings permit."""
    body = policy("development", "test-ns-allow", ingress=FROM_TEST)
    status, answer = guarded.control_plane.request(
        "POST", POLICIES.format(namespace="development"), body, as_=guarded.control_plane.tenant
    )
    assert status == 201, answer


BAD_ORDERS = [
    (None, "order-declared"),
    (6000, "order-in-tenant-band"),
    (4000, "order-in-tenant-band"),
    (5000, "order-in-tenant-band"),
    (-1, "order-in-tenant-band"),
]


@pytest.mark.usefixtures("development")
@pytest.mark.parametrize(("order", "rule"), BAD_ORDERS, ids=[f"order {o}" for o, _ in BAD_ORDERS])
def test_a_bad_order_is_refused(guarded: Guarded, order: float | None, rule: str) -> None:
    """The text names the rule, the object and the fix; the same stands in details.causes with the field's path."""
    body = policy("development", "late", ingress=FROM_TEST)
    body["spec"].pop("order")
    body["spec"] |= {} if order is None else {"order": order}
    status, answer = guarded.control_plane.request(
        "POST", POLICIES.format(namespace="development"), body, as_=guarded.control_plane.tenant
    )
    assert (status, answer["reason"]) == (403, "Forbidden")
    first = (
        answer["message"]
        .removeprefix('admission webhook "policies.isolation-baseline.io" denied the request: ')
        .splitlines()[0]
    )
    assert first.startswith(f"[{rule}] NetworkPolicy development/late has ")
    assert "set spec.order between 100 and 3999" in first
    assert ("spec.order", rule) in [(c["field"], c["reason"]) for c in answer["details"]["causes"]]


@pytest.mark.usefixtures("development")
@pytest.mark.parametrize("name", ["default-deny", "dns-allow", "development-ns-allow"])
def test_a_baseline_policy_cannot_be_edited_or_deleted(guarded: Guarded, name: str) -> None:
    """By nobody, the administrator included; and it is still as it was."""
    path = f"{POLICIES.format(namespace='development')}/{name}"
    before = guarded.policies("development")[name]
    edit = {"spec": {"order": 5001}}
    for who in (guarded.control_plane.tenant, guarded.control_plane.administrator):
        status, answer = guarded.control_plane.request(
            "PATCH", path, edit, as_=who, content_type="application/merge-patch+json"
        )
        assert (status, "[baseline-unchanged]" in answer["message"]) == (403, True), answer
        status, answer = guarded.control_plane.request("DELETE", path, as_=who)
        assert (status, "[baseline-present]" in answer["message"]) == (403, True), answer
    assert guarded.policies("development")[name] == before


@pytest.mark.usefixtures("development")
def test_kubectl_delete_all_leaves_the_baseline(guarded: Guarded) -> None:
    """`--all` deletes a tenant's own policies and is told about the others."""
    plane = guarded.control_plane
    done = plane.kubectl(
        *("delete", "networkpolicies.crd.projectcalico.org", "--all", "-n", "development"), as_=plane.tenant
    )
    assert done.returncode == 1
    assert done.stderr.count("[baseline-present]") == 3
    assert set(guarded.policies("development")) == {*BASELINE, "development-ns-allow"}


def test_a_collection_cannot_be_deleted(guarded: Guarded) -> None:
    """A real deletecollection brings no name in the request."""
    guarded.namespace("dev-collection")
    status, answer = guarded.control_plane.request(
        "DELETE", POLICIES.format(namespace="dev-collection"), as_=guarded.control_plane.tenant
    )
    assert (status, "[baseline-present]" in answer["message"]) == (403, True), answer
    assert len(guarded.policies("dev-collection")) == 3


def test_twenty_namespaces_by_generate_name_at_once(guarded: Guarded) -> None:
    """A name that the API server makes up gets the same as any other."""
    plane = guarded.control_plane
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "dev-g-"}}
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(
            pool.map(lambda _: plane.request("POST", "/api/v1/namespaces", body, as_=plane.tenant), range(20))
        )
    assert [status for status, _ in answers] == [201] * 20, answers
    for _, created in answers:
        name = created["metadata"]["name"]
        assert guarded.settled(name)["metadata"]["labels"]["env"] == "dev"
        assert set(guarded.policies(name)) == {*BASELINE, f"{name}-ns-allow"}


def test_server_side_apply_of_a_namespace(guarded: Guarded) -> None:
    """The label comes along, and applying again changes nothing."""
    plane = guarded.control_plane
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "test-applied"}}
    for expected in (201, 200):
        status, answer = plane.request(
            "PATCH",
            "/api/v1/namespaces/test-applied?fieldManager=gitops",
            body,
            as_=plane.tenant,
            content_type="application/apply-patch+yaml",
        )
        assert status == expected, answer
        assert answer["metadata"]["labels"]["env"] == "test"


def test_a_namespace_can_go_and_come_again(guarded: Guarded) -> None:
    """Deleting completes with the baseline in it, and the next one of the name is new."""
    first = guarded.namespace("dev-twice")
    guarded.gone("dev-twice")
    second = guarded.namespace("dev-twice")
    assert first["metadata"]["uid"] != second["metadata"]["uid"]
    assert set(guarded.policies("dev-twice")) == {*BASELINE, "dev-twice-ns-allow"}


def test_the_controller_killed_in_the_middle_of_200(guarded: Guarded) -> None:
    """With -9, and started again: every namespace ends with its baseline, none has it twice."""
    names = [f"dev-many-{number:03}" for number in range(200)]
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        creations = [pool.submit(guarded.create_namespace, name) for name in names]
        for done, creation in enumerate(concurrent.futures.as_completed(creations), 1):
            assert creation.result()[0] == 201, creation.result()
            if done == 80:
                (controller,) = guarded.dev.children("control")
                os.kill(controller, signal.SIGKILL)
    for name in names:
        guarded.settled(name)
        assert set(guarded.policies(name)) == {*BASELINE, f"{name}-ns-allow"}
