"""Rule namespace-finalizers-kept."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.change import Change
from webhook.policy.finding import Complaint, Severity
from webhook.policy.rule import rule
from webhook.policy.subjects import namespaces_of
from webhook.policy.world import World


@rule(Change, Severity.DENY)
def namespace_finalizers_kept(change: Change, world: World) -> Iterator[Complaint]:
    """
    A live namespace keeps its finalizers, so that its content dies with it.

    Why:
        Without them Kubernetes removes the namespace and leaves its policies behind. They come into force again in
        the next namespace of that name, and nobody judges them a second time.

    Fix:
        Delete the namespace; Kubernetes empties the list itself once the content is gone.

    Bad:
        - change:
            user: dora
            subresource: finalize
            old:
              kind: Namespace
              apiVersion: v1
              metadata: {name: shop-dev, labels: {env: dev}}
              spec: {finalizers: [kubernetes]}
            new: {kind: Namespace, apiVersion: v1, metadata: {name: shop-dev, labels: {env: dev}}, spec: {}}

    Good:
        - change:
            user: system:serviceaccount:kube-system:namespace-controller
            subresource: finalize
            old:
              kind: Namespace
              apiVersion: v1
              metadata: {name: shop-dev, labels: {env: dev}, deletionTimestamp: "2026-01-01T00:00:00Z"}
              spec: {finalizers: [kubernetes]}
            new:
              kind: Namespace
              apiVersion: v1
              metadata: {name: shop-dev, labels: {env: dev}, deletionTimestamp: "2026-01-01T00:00:00Z"}
              spec: {finalizers: []}
    """
    old, new = namespaces_of(change)
    # Only what is stored says that it is being deleted.
    if old is None or new is None or old.meta.deleting or not world.is_managed(new.name):
        return
    for finalizer in old.spec_finalizers:
        if finalizer not in new.spec_finalizers:
            yield Complaint(
                f"loses finalizer {finalizer} while it lives: its policies would outlive it",
                "spec.finalizers",
                fix=f"delete the namespace; {finalizer} goes when it is empty",
            )
