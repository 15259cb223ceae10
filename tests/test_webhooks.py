"""What the API server is told to ask us: the configurations as generated; as it reads them is test_asked.py's."""

from __future__ import annotations

from typing import Any

import pytest

from webhook import scope
from webhook.observe import resources_of
from webhook.policy.objects import CalicoApi
from webhook.policy.settings import Environment, Settings
from webhook.webhooks import ByService, ByUrl, mutating_configuration, validating_configuration

SETTINGS = Settings(environments=(Environment("dev", ("dev-*",)),))
SERVICE = ByService("isolation-baseline", "isolation-baseline-webhook", ca="pem")
ENTRIES = [
    *mutating_configuration(SETTINGS, SERVICE)["webhooks"],
    *validating_configuration(SETTINGS, SERVICE)["webhooks"],
]


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry["name"] for entry in ENTRIES])
def test_a_webhook_is_narrow_quick_and_has_no_selector(entry: dict[str, Any]) -> None:
    for rule in entry["rules"]:
        assert "*" not in (*rule["apiGroups"], *rule["resources"], *rule["operations"])
        assert not {"nodes", "leases", "certificatesigningrequests", "clusterroles"} & set(rule["resources"])
    assert entry["timeoutSeconds"] <= 3
    assert (entry["namespaceSelector"], entry["objectSelector"]) == ({}, {})
    assert (entry["sideEffects"], entry["admissionReviewVersions"]) == ("None", ["v1"])
    assert len(entry["matchConditions"]) <= 64


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry["name"] for entry in ENTRIES])
def test_no_condition_touches_a_field_that_a_request_may_lack(entry: dict[str, Any]) -> None:
    for condition in entry["matchConditions"]:
        text = condition["expression"]
        assert "request.name " not in text.replace("has(request.name)", "")
        assert "namespaceObject" not in text
        for field in ("request.namespace", "request.subResource"):
            assert text.count(field) == 0 or f"has({field})" in text


def test_only_the_mutating_webhook_fails_open() -> None:
    assert [e["name"] for e in ENTRIES if e["failurePolicy"] == "Ignore"] == ["mutate-namespace.isolation-baseline.io"]


def test_a_service_and_a_url_say_where_each_path_is() -> None:
    by_url = validating_configuration(SETTINGS, ByUrl("https://127.0.0.1:8443/", "pem"))["webhooks"]
    by_service = validating_configuration(SETTINGS, SERVICE)["webhooks"]
    assert by_url[1]["clientConfig"] == {"url": "https://127.0.0.1:8443/validate-policy", "caBundle": "cGVt"}
    service = {
        "namespace": "isolation-baseline",
        "name": "isolation-baseline-webhook",
        "port": 443,
        "path": "/validate-policy",
    }
    assert by_service[1]["clientConfig"] == {"service": service, "caBundle": "cGVt"}
    assert "caBundle" not in validating_configuration(SETTINGS, ByService("n", "s"))["webhooks"][0]["clientConfig"]


def test_both_configurations_ask_the_aks_enforcer_to_leave_them_alone() -> None:
    for configuration in (mutating_configuration(SETTINGS, SERVICE), validating_configuration(SETTINGS, SERVICE)):
        metadata = configuration["metadata"]
        assert metadata["name"] == "isolation-baseline"
        assert metadata["labels"]["admissions.enforcer/disabled"] == "true"
        assert metadata["annotations"] == {"admissions.enforcer/disabled": "true"}


def test_our_own_namespace_is_exempt_whatever_the_settings_say() -> None:
    settings = Settings(exempt_namespaces=frozenset({"kube-system"}))
    for entry in validating_configuration(settings, ByService("elsewhere", "webhook"))["webhooks"]:
        assert '["elsewhere", "kube-system"]' in entry["matchConditions"][0]["expression"]


def test_the_same_settings_give_the_same_configuration() -> None:
    again = Settings(
        environments=SETTINGS.environments, exempt_namespaces=frozenset(sorted(SETTINGS.exempt_namespaces))
    )
    assert validating_configuration(again, SERVICE) == validating_configuration(SETTINGS, SERVICE)


def test_what_is_asked_is_what_the_judges_take() -> None:
    """The judges are found by path; each takes the operations that its rules send and no path is without rules."""
    assert {row.path for row in scope.JUDGED} == set(scope.Path)
    for path in scope.Path:
        operations = {operation for row in scope.JUDGED if row.path is path for operation in row.operations}
        assert operations <= {"CREATE", "UPDATE", "DELETE"}
    kinds = {resource for row in scope.JUDGED if row.path is scope.Path.POLICY for resource in row.resources}
    watched = {resource.plural for resource in resources_of(CalicoApi.NATIVE) if resource.plural != "namespaces"}
    assert kinds == watched
