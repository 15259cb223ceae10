"""Rule environment-known."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.environment import assign, is_known
from webhook.policy.finding import Complaint, Severity
from webhook.policy.objects import Namespace
from webhook.policy.rule import rule
from webhook.policy.settings import UNASSIGNED
from webhook.policy.world import World


@rule(Namespace, Severity.DENY)
def environment_known(namespace: Namespace, world: World) -> Iterator[Complaint]:
    """
    A managed namespace belongs to a declared environment, or to `unassigned`.

    Why:
        The baseline lets a namespace talk to its environment. A value that nobody declared belongs to no list of who
        may talk to whom, and a namespace without any is in nobody's care. An exempt namespace has none: a label there
        would make its pods peers of everyone in that environment.

    Fix:
        Set the environment label to one of the environments that the settings declare.

    Bad:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: qa}}}

    Good:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - {kind: Namespace, apiVersion: v1, metadata: {name: other, labels: {env: unassigned}}}
    """
    settings = world.settings
    label = settings.environment_label
    value = namespace.meta.labels.get(label)
    path = f"metadata.labels[{label}]"
    if not world.is_managed(namespace.name):
        if value is not None:
            detail = f"carries label {label}={value} although it is exempt: its pods would count as {value}"
            yield Complaint(detail, path, fix=f"remove the label {label}")
        return
    known = ", ".join(environment.name for environment in settings.environments) or UNASSIGNED
    if value is None:
        refusal = assign(namespace.name, namespace.meta.labels, settings).refusal
        why = refusal or f"has no label {label}, which says what its pods may talk to"
        yield Complaint(why, path, fix=f"set label {label} to one of {known}", fingerprint="none")
    elif not is_known(value, settings):
        yield Complaint(f"has label {label}={value}, which is no declared environment", path, fix=f"use one of {known}")
