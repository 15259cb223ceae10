"""Guard: what is changed or deleted of the guard itself, and what is tried right after."""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.guarded.attempt import ADMISSION, CALICO, DEV, NAMESPACES, Send, Stage, delete, merge, operations, post
from tests.guarded.policies import EVERYTHING, local

VALIDATING = f"{ADMISSION}/validatingwebhookconfigurations/isolation-baseline"
MUTATING = f"{ADMISSION}/mutatingwebhookconfigurations/isolation-baseline"
POLICIES, BINDINGS = f"{ADMISSION}/validatingadmissionpolicies", f"{ADMISSION}/validatingadmissionpolicybindings"
# The order of the webhooks in the configuration: namespaces, policies, pods.
AT = "/webhooks/1"


class Tampered(NamedTuple):
    """One change of the guard, by somebody who may."""

    how: str
    send: Send
    path: str = VALIDATING


def _set(field: str, value: Any) -> Send:
    return operations(VALIDATING, {"op": "add", "path": f"{AT}/{field}", "value": value})


NOBODY = {"matchLabels": {"nobody": "has"}}
TAMPERED = [
    Tampered("failurePolicy: Ignore", _set("failurePolicy", "Ignore")),
    Tampered(
        "failurePolicy: Ignore, at a wrong URL",
        operations(
            VALIDATING,
            {"op": "replace", "path": f"{AT}/failurePolicy", "value": "Ignore"},
            {"op": "replace", "path": f"{AT}/clientConfig/url", "value": "https://127.0.0.1:9/"},
        ),
    ),
    Tampered("a namespaceSelector", _set("namespaceSelector", NOBODY)),
    Tampered("an objectSelector", _set("objectSelector", NOBODY)),
    Tampered("a matchCondition more", _set("matchConditions/-", {"name": "never", "expression": "false"})),
    Tampered("a matchCondition replaced", _set("matchConditions", [{"name": "never", "expression": "false"}])),
    Tampered(
        "rules narrowed",
        _set("rules", [{"apiGroups": ["a"], "apiVersions": ["v1"], "resources": ["b"], "operations": ["CREATE"]}]),
    ),
    Tampered("rules for namespaced objects alone", _set("rules/1/scope", "Cluster")),
    Tampered("rules without UPDATE and CREATE", _set("rules/1/operations", ["DELETE"])),
    Tampered("another URL", _set("clientConfig/url", "https://127.0.0.1:9/validate-policy")),
    Tampered("another authority", _set("clientConfig/caBundle", "Cg==")),
    Tampered("a webhook removed", operations(VALIDATING, {"op": "remove", "path": AT})),
    Tampered("all webhooks removed", merge(VALIDATING, {"webhooks": []})),
    Tampered("the configuration deleted", delete(VALIDATING)),
    Tampered("the mutating configuration deleted", delete(MUTATING), MUTATING),
    Tampered(
        "a policy of the guard's guard deleted",
        delete(f"{POLICIES}/guard-present-policies.isolation-baseline.io"),
        f"{POLICIES}/guard-present-policies.isolation-baseline.io",
    ),
    Tampered(
        "a binding of the guard's guard deleted",
        delete(f"{BINDINGS}/guard-present-policies.isolation-baseline.io"),
        f"{BINDINGS}/guard-present-policies.isolation-baseline.io",
    ),
    Tampered(
        "a binding set to warn",
        merge(f"{BINDINGS}/namespaces.isolation-baseline.io", {"spec": {"validationActions": ["Warn"]}}),
        f"{BINDINGS}/namespaces.isolation-baseline.io",
    ),
]

HERE = f"{CALICO}/namespaces/{DEV}/networkpolicies"
FOLLOWING = (
    post(HERE, local(ingress=EVERYTHING)),
    merge(f"{HERE}/default-deny", {"spec": {"order": 9000000}}),
    delete(f"{HERE}/default-deny"),
    delete(HERE),
    delete(f"{CALICO}/globalnetworkpolicies/isolation-floor"),
    merge(f"{NAMESPACES}/{DEV}", {"metadata": {"labels": {"env": "prod"}}}),
    merge(f"{NAMESPACES}/{DEV}/status", {"metadata": {"labels": {"env": "test"}}}),
    post(NAMESPACES, {"metadata": {"name": "guard-claims", "labels": {"env": "prod"}}}),
    merge(f"{CALICO}/tiers/default", {"spec": {"defaultAction": "Pass"}}),
)
KEPT = (
    f"{HERE}/default-deny",
    f"{CALICO}/globalnetworkpolicies/isolation-floor",
    f"{NAMESPACES}/{DEV}",
    f"{CALICO}/tiers/default",
)


def shape(stage: Stage, path: str) -> Any:
    """What of an object of the guard decides, without what every write changes."""
    found = stage.stored(path)
    return {key: found.get(key) for key in ("webhooks", "spec")}
