"""Rule exempting-labels-reserved."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.finding import Complaint, Severity
from webhook.policy.objects import Namespace
from webhook.policy.rule import rule
from webhook.policy.world import World

OWN_PREFIX = "isolation-baseline.io/"


@rule(Namespace, Severity.DENY)
def exempting_labels_reserved(namespace: Namespace, world: World) -> Iterator[Complaint]:
    """
    A managed namespace carries no label by which it would drop out of admission webhooks' sight.

    Why:
        Cloud providers and other guards add such labels to the selectors of webhook configurations, ours too. Who may
        label a namespace could then exempt it in the same request.

    Fix:
        Remove the label, or have the platform team list the namespace under exempt.namespaces.

    Bad:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev, control-plane: "true"}}}

    Good:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev, plane: control}}}
    """
    if not world.is_managed(namespace.name):
        return
    for key, value in sorted(namespace.meta.labels.items()):
        if key in world.settings.exempting_labels:
            why = "which takes it out of admission webhooks' sight"
        elif key.startswith(OWN_PREFIX):
            why = "which is reserved"
        else:
            continue
        yield Complaint(f"carries label {key}={value}, {why}", f"metadata.labels[{key}]", fix=f"remove the label {key}")
