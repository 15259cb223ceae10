"""Native: the ValidatingAdmissionPolicies that hold without any process of ours, from the settings; no IO."""

from __future__ import annotations

from dataclasses import dataclass

from webhook import cel
from webhook.api import Manifest
from webhook.native_exempt import exempt_stay_inside
from webhook.native_guard import guard_present_for_namespaces, guard_present_for_policies
from webhook.native_namespaces import namespaces
from webhook.native_objects import (
    baseline_present,
    calico_tiers_kept,
    definitions_kept,
    pod_address_not_claimed,
    pod_gate,
)
from webhook.native_shape import DOMAIN, Check, Native
from webhook.policy.environment import strictest_mode
from webhook.policy.objects import CalicoApi
from webhook.policy.settings import UNASSIGNED, Mode, Settings
from webhook.webhooks import CONFIGURATION_NAME, PRODUCT_LABELS, Reached, exempt_namespaces

_ADMISSION = "admissionregistration.k8s.io/v1"
_ACTIONS = {Mode.ENFORCE: ["Deny"], Mode.WARN: ["Warn", "Audit"], Mode.AUDIT: ["Audit"]}


def native_policies(settings: Settings, reached: Reached, api: CalicoApi) -> list[Manifest]:
    """Every policy, each with the binding that puts it in force, in the order in which they should be created."""
    return [
        manifest
        for native in _natives(settings, reached, api)
        for manifest in (_policy(native, settings), _binding(native, settings))
    ]


def _natives(settings: Settings, reached: Reached, api: CalicoApi) -> tuple[Native, ...]:
    exempt = exempt_namespaces(settings, reached)
    return (
        guard_present_for_namespaces(settings, reached),
        guard_present_for_policies(settings, reached, api),
        baseline_present(settings, exempt, api),
        definitions_kept(),
        calico_tiers_kept(),
        pod_address_not_claimed(settings, exempt),
        pod_gate(settings, exempt),
        exempt_stay_inside(exempt),
        namespaces(settings, exempt),
    )


def _policy(native: Native, settings: Settings) -> Manifest:
    spared = [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": list(native.spared)}]
    constraints: Manifest = {
        "matchPolicy": "Equivalent",
        "namespaceSelector": {"matchExpressions": spared} if native.spared else {},
        "objectSelector": {},
        "resourceRules": list(native.rules),
    }
    if native.excluded:
        constraints["excludeResourceRules"] = list(native.excluded)
    spec: Manifest = {"failurePolicy": "Fail", "matchConstraints": constraints}
    if native.conditions:
        spec["matchConditions"] = [{"name": name, "expression": text} for name, text in native.conditions]
    if native.guards:
        spec["paramKind"] = {"apiVersion": _ADMISSION, "kind": "ValidatingWebhookConfiguration"}
        spec["validations"] = [_validation(check, check.holds) for check in native.checks]
    else:
        spec |= _with_break_glass(native, settings)
    return _manifest("ValidatingAdmissionPolicy", native, spec)


def _with_break_glass(native: Native, settings: Settings) -> Manifest:
    """Break-glass passes, and the API server's audit log says what it passed."""
    variables = [{"name": "breakGlass", "expression": cel.is_one_of(settings.break_glass)}]
    variables += [{"name": f"holds{i}", "expression": check.holds} for i, check in enumerate(native.checks)]
    broken = [f"(variables.holds{i} ? [] : [{cel.literal(check.rule)}])" for i, check in enumerate(native.checks)]
    # The API server leaves an empty annotation out.
    recorded = f"variables.breakGlass ? ({' + '.join(broken)}).join(', ') : ''"
    return {
        "variables": variables,
        "validations": [
            _validation(check, f"variables.breakGlass || variables.holds{i}") for i, check in enumerate(native.checks)
        ],
        "auditAnnotations": [{"key": "break-glass", "valueExpression": recorded}],
    }


def _validation(check: Check, expression: str) -> Manifest:
    return {
        "expression": expression,
        # Said when the expression below it fails; a line break in either would be dropped.
        "message": f"[{check.rule}] refused by the namespace isolation baseline",
        "messageExpression": f"{cel.literal(f'[{check.rule}] ')} + {check.why}",
        "reason": "Forbidden",
    }


def _binding(native: Native, settings: Settings) -> Manifest:
    mode = strictest_mode(settings)
    # No matchResources: a binding's selector would be evaluated on labels that a tenant may write.
    spec: Manifest = {"policyName": policy_name(native), "validationActions": _ACTIONS[mode]}
    if native.guards:
        missing = "Deny" if mode is Mode.ENFORCE else "Allow"
        spec["paramRef"] = {"name": CONFIGURATION_NAME, "parameterNotFoundAction": missing}
    return _manifest("ValidatingAdmissionPolicyBinding", native, spec)


def policy_name(native: Native) -> str:
    return f"{native.name}.{DOMAIN}"


def _manifest(kind: str, native: Native, spec: Manifest) -> Manifest:
    metadata = {"name": policy_name(native), "labels": dict(PRODUCT_LABELS)}
    return {"apiVersion": _ADMISSION, "kind": kind, "metadata": metadata, "spec": spec}


@dataclass(frozen=True, slots=True)
class Probe:
    """
    A request to be sent with dryRun=All, and what its answer shows once the policies act.

    The API server takes up to a second to act on a policy; whoever waits for it asks again and again, never sleeps.
    `refusal` is what the message of the 403 must contain; empty means that it must be accepted (2xx).
    """

    name: str
    method: str
    path: str
    body: Manifest
    refusal: str = ""

    def is_answered(self, status: int, message: str) -> bool:
        if self.refusal:
            return status == 403 and self.refusal in message
        return 200 <= status < 300


def probes(settings: Settings) -> tuple[Probe, ...]:
    """
    The requests by which to see that the policies act, for an identity that is not break-glass.

    A namespace that claims `unassigned` must be accepted: the guard finds our configuration, and we answer. With an
    exempting label it must be refused. Policies come into force together, in the order of their creation.
    """
    if strictest_mode(settings) is not Mode.ENFORCE:
        return ()
    labels = {settings.environment_label: UNASSIGNED}
    found = [_namespace_probe("guard-present", labels, "")]
    if settings.exempting_labels:
        exempting = {settings.exempting_labels[0]: "true"}
        # In these words by the API server; our webhook refuses it too, "denied the request: …", and may be first.
        refusal = "denied request: [exempting-labels-reserved]"
        found.append(_namespace_probe("exempting-labels-reserved", labels | exempting, refusal))
    return tuple(found)


def _namespace_probe(name: str, labels: dict[str, str], refusal: str) -> Probe:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "isolation-baseline-probe", "labels": labels}}
    return Probe(name, "POST", "/api/v1/namespaces?dryRun=All", body, refusal)
