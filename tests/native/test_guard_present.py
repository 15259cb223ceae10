"""The guard's guard on a real API server: writes stop while our configuration is weakened or gone, and nothing else."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.controlplane import ControlPlane
from tests.native.in_force import (
    ADMISSION,
    CALICO,
    LIVE,
    MERGE,
    NAMESPACES,
    POLICIES,
    SETTINGS,
    created,
    impersonating,
    pod,
    policy,
    until_acting,
)
from tests.recorder import Recorder
from webhook.webhooks import ByUrl, validating_configuration

CONFIGURATION = f"{ADMISSION}/validatingwebhookconfigurations/isolation-baseline"
MISSING = "no params found for policy binding with `Deny` parameterNotFoundAction"
PLUGIN = impersonating("system:serviceaccount:calico-system:calico-node")


def _first(configuration: dict[str, Any], field: str, value: Any) -> None:
    for entry in configuration["webhooks"]:
        entry[field] = value


def _narrower(configuration: dict[str, Any]) -> None:
    for entry in configuration["webhooks"]:
        entry["rules"][0]["operations"] = ["UPDATE"]


def _more_conditions(configuration: dict[str, Any]) -> None:
    for entry in configuration["webhooks"]:
        entry["matchConditions"].append({"name": "never", "expression": "false"})


def _redirected(configuration: dict[str, Any]) -> None:
    for entry in configuration["webhooks"]:
        entry["clientConfig"]["url"] = "https://127.0.0.1:1/validate-policy"


def _enforced(key: str, value: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": "NotIn", "values": [value]}]}


Weakening = Callable[[dict[str, Any]], None]
WEAKENED: list[tuple[str, Weakening, bool]] = [
    ("nothing", lambda c: None, True),
    ("failurePolicy Ignore", lambda c: _first(c, "failurePolicy", "Ignore"), False),
    ("a label selector", lambda c: _first(c, "namespaceSelector", {"matchLabels": {"judged": "yes"}}), False),
    ("a selector by expression", lambda c: _first(c, "namespaceSelector", _enforced("team", "blue")), False),
    ("an object selector", lambda c: _first(c, "objectSelector", {"matchLabels": {"judged": "yes"}}), False),
    ("a condition more", _more_conditions, False),
    ("no conditions", lambda c: _first(c, "matchConditions", []), False),
    ("narrower rules", _narrower, False),
    ("another place", _redirected, False),
    ("matchPolicy Exact", lambda c: _first(c, "matchPolicy", "Exact"), False),
    ("none of its webhooks", lambda c: c["webhooks"].clear(), False),
    ("no rules", lambda c: _first(c, "rules", []), False),
    ("AKS's enforcer", lambda c: _first(c, "namespaceSelector", _enforced("control-plane", "true")), True),
    ("a longer wait", lambda c: _first(c, "timeoutSeconds", 10), True),
]


@pytest.mark.parametrize(("what", "weaken", "goes_on"), WEAKENED, ids=[row[0] for row in WEAKENED])
def test_writes_stop_while_the_configuration_is_weakened(
    control_plane: ControlPlane, guard: Recorder, what: str, weaken: Weakening, goes_on: bool
) -> None:
    configuration = validating_configuration(SETTINGS, ByUrl(guard.url, guard.ca))
    weakened = copy.deepcopy(configuration)
    weaken(weakened)
    _put(control_plane, weakened)
    try:
        for method, path, body, options in (
            ("POST", POLICIES, policy("native-c"), {}),
            ("PATCH", LIVE, {"metadata": {"labels": {"team": "blue"}}}, MERGE),
        ):
            status, message = _settled(control_plane, method, f"{path}?dryRun=All", body, options, passes=goes_on)
            assert (status < 300) == goes_on, message
            assert (
                goes_on or "[guard-present] ValidatingWebhookConfiguration isolation-baseline: its webhook" in message
            )
    finally:
        _put(control_plane, configuration)
        _settled(control_plane, "POST", f"{POLICIES}?dryRun=All", policy("native-c"), {}, passes=True)


def _put(control_plane: ControlPlane, configuration: dict[str, Any]) -> None:
    stored = control_plane.request("GET", CONFIGURATION)[1]
    metadata = {**configuration["metadata"], "resourceVersion": stored["metadata"]["resourceVersion"]}
    status, answer = control_plane.request("PUT", CONFIGURATION, {**configuration, "metadata": metadata})
    assert status == 200, answer


def _settled(
    control_plane: ControlPlane, method: str, path: str, body: Any, options: dict[str, Any], *, passes: bool
) -> tuple[int, str]:
    """The answer once it is as expected; policies see a changed parameter some 0.3 s later."""
    last: tuple[int, str] = (0, "")
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        status, answer = control_plane.request(method, path, body, **options)
        last = status, str(answer.get("message", ""))
        if (status < 300) == passes:
            break
    return last


def test_without_our_configuration_nothing_else_stops(control_plane: ControlPlane, guard: Recorder) -> None:
    """A missing parameter refuses before any condition is looked at, so only what is listed may be matched."""
    request = control_plane.request
    created(control_plane, NAMESPACES, {"metadata": {"name": "native-doomed"}})
    for name in ("default-deny", "native-doomed-ns-allow"):
        created(control_plane, f"{CALICO}/namespaces/native-doomed/networkpolicies", policy(name))
    assert request("DELETE", CONFIGURATION)[0] == 200
    try:
        refused: list[tuple[str, str, Any, dict[str, Any]]] = [
            ("POST", POLICIES, policy("native-d"), {}),
            ("PATCH", f"{POLICIES}/mine", {"spec": {"order": 300}}, MERGE),
            ("DELETE", f"{POLICIES}/default-deny", None, {}),
            ("POST", f"{CALICO}/globalnetworkpolicies", policy("native-d", "GlobalNetworkPolicy"), {}),
            ("POST", f"{CALICO}/tiers", {"metadata": {"name": "native-d"}, "spec": {"order": 1}}, {}),
            ("POST", NAMESPACES, {"metadata": {"name": "native-d"}}, {}),
            ("PATCH", LIVE, {"metadata": {"labels": {"team": "blue"}}}, MERGE),
        ]
        for method, path, body, options in refused:
            body = {"apiVersion": "crd.projectcalico.org/v1", "kind": "Tier", **body} if "tiers" in path else body
            status, message = _settled(control_plane, method, f"{path}?dryRun=All", body, options, passes=False)
            assert status == 422, (path, message)
            assert MISSING in message
        by_status = {"metadata": {"labels": {"env": "dev"}}}
        status, answer = request("PATCH", f"{LIVE}/status?dryRun=All", by_status, **MERGE)
        assert (status, "[environment-unchanged]" in answer["message"]) == (403, True)
        status, answer = request("DELETE", f"{POLICIES}?dryRun=All")
        assert (status, "[baseline-present]" in answer["message"]) == (403, True)
        goes_on: list[tuple[str, str, Any, dict[str, Any]]] = [
            ("POST", f"{LIVE}/pods", pod({}, "other"), {}),
            ("PATCH", f"{LIVE}/status", {"status": {"phase": "Active"}}, MERGE),
            ("PATCH", f"{NAMESPACES}/kube-system", {"metadata": {"labels": {"a": "b"}}}, MERGE),
            ("DELETE", f"{POLICIES}/mine", None, {}),
            ("POST", f"{CALICO}/namespaces/kube-system/networkpolicies", policy("native-d"), {}),
        ]
        for method, path, body, options in goes_on:
            status, answer = request(method, f"{path}?dryRun=All", body, **options)
            assert status < 300, (path, answer)
        default = {"order": 1_000_000, "defaultAction": "Deny"}
        tier = {"apiVersion": "crd.projectcalico.org/v1", "kind": "Tier", "metadata": {"name": "default"}}
        assert request("POST", f"{CALICO}/tiers?dryRun=All", {**tier, "spec": default}, **PLUGIN)[0] == 409
        assert request("DELETE", f"{NAMESPACES}/native-doomed")[0] == 200
        control_plane.until(
            lambda: request("GET", f"{NAMESPACES}/native-doomed")[0] == 404 or None, "the end of native-doomed"
        )
    finally:
        control_plane.apply([validating_configuration(SETTINGS, ByUrl(guard.url, guard.ca))])
        until_acting(control_plane)
