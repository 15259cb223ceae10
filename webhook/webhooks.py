"""Webhooks: the configurations by which the API server asks us, from the settings; writing them is the edges' work."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from webhook.api import Manifest
from webhook.policy.settings import Settings
from webhook.scope import Path, judged_rules, match_conditions

CONFIGURATION_NAME = "isolation-baseline"
PRODUCT_LABELS = {"app.kubernetes.io/name": "isolation-baseline", "app.kubernetes.io/part-of": "isolation-baseline"}
# AKS rewrites the namespaceSelector of every webhook that does not say this; a tenant could then exempt a namespace
# by its labels. Documented as a label, honoured as an annotation too.
ENFORCER_OFF = {"admissions.enforcer/disabled": "true"}
# What that enforcer adds to a namespaceSelector where it does not listen; tenants may not set these labels.
ENFORCER_KEYS = {"control-plane": "true", "kubernetes.azure.com/managedby": "aks"}


@dataclass(frozen=True, slots=True)
class ByService:
    """We are reached as a Service; without `ca` (PEM) the caBundle is left for whoever issues the certificate."""

    namespace: str
    name: str
    port: int = 443
    ca: str = ""


@dataclass(frozen=True, slots=True)
class ByUrl:
    """We are reached at `https://host:port`, for a process outside the cluster."""

    base: str
    ca: str = ""


Reached = ByService | ByUrl


@dataclass(frozen=True, slots=True)
class Webhook:
    """One entry of a configuration."""

    name: str
    path: Path
    fails_closed: bool
    timeout_seconds: int


# The API server waits this long for a dead peer on each write, under a request limit of 34 s.
MUTATE_NAMESPACE = Webhook("mutate-namespace.isolation-baseline.io", Path.MUTATE_NAMESPACE, False, 2)
NAMESPACES = Webhook("namespaces.isolation-baseline.io", Path.NAMESPACE, True, 3)
POLICIES = Webhook("policies.isolation-baseline.io", Path.POLICY, True, 3)
PODS = Webhook("pods.isolation-baseline.io", Path.POD, True, 3)
VALIDATING = (NAMESPACES, POLICIES, PODS)


def exempt_namespaces(settings: Settings, reached: Reached) -> frozenset[str]:
    """The namespaces that are never judged, by exact name: the settings' and our own, or our rollout waits for us."""
    own = {reached.namespace} if isinstance(reached, ByService) else set()
    return settings.exempt_namespaces | own


def mutating_configuration(settings: Settings, reached: Reached) -> Manifest:
    """The MutatingWebhookConfiguration: one webhook, failing open, since the validating side sees the final object."""
    mutating = entry(MUTATE_NAMESPACE, settings, reached)
    # Asked again when a later webhook changed the object, which may have taken the label away.
    mutating["reinvocationPolicy"] = "IfNeeded"
    return _configuration("MutatingWebhookConfiguration", [mutating])


def validating_configuration(settings: Settings, reached: Reached) -> Manifest:
    """The ValidatingWebhookConfiguration: one webhook for each blast radius, all failing closed."""
    return _configuration("ValidatingWebhookConfiguration", [entry(w, settings, reached) for w in VALIDATING])


def _configuration(kind: str, webhooks: list[Manifest]) -> Manifest:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {
            "name": CONFIGURATION_NAME,
            "labels": {**PRODUCT_LABELS, **ENFORCER_OFF},
            "annotations": dict(ENFORCER_OFF),
        },
        "webhooks": webhooks,
    }


def entry(webhook: Webhook, settings: Settings, reached: Reached) -> Manifest:
    return {
        "name": webhook.name,
        "clientConfig": client_config(webhook.path, reached),
        "rules": judged_rules(webhook.path),
        "matchConditions": match_conditions(
            webhook.path, settings.environment_label, exempt_namespaces(settings, reached)
        ),
        "failurePolicy": "Fail" if webhook.fails_closed else "Ignore",
        "matchPolicy": "Equivalent",
        "namespaceSelector": {},
        "objectSelector": {},
        "sideEffects": "None",
        "timeoutSeconds": webhook.timeout_seconds,
        "admissionReviewVersions": ["v1"],
    }


def client_config(path: Path, reached: Reached) -> Manifest:
    """Where the API server sends the reviews of a path, and whose certificate it accepts there."""
    match reached:
        case ByService():
            service = {"namespace": reached.namespace, "name": reached.name, "port": reached.port, "path": path.value}
            config: Manifest = {"service": service}
        case ByUrl():
            config = {"url": reached.base.rstrip("/") + path.value}
    if reached.ca:
        config["caBundle"] = base64.b64encode(reached.ca.encode()).decode()
    return config
