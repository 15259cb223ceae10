"""Rule environment-unchanged."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.change import Change
from webhook.policy.environment import is_known
from webhook.policy.finding import Complaint, Severity
from webhook.policy.rule import rule
from webhook.policy.subjects import namespaces_of
from webhook.policy.world import World


@rule(Change, Severity.DENY)
def environment_unchanged(change: Change, world: World) -> Iterator[Complaint]:
    """
    The environment of a namespace stays what it is for as long as the namespace lives.

    Why:
        Pods inherit the label at once. Moving a namespace moves everything that runs in it, with the policies and the
        open connections of the old environment. It holds on every path: the object, its status, its finalizers.

    Fix:
        Create a namespace in the other environment and move the workload there.

    Bad:
        - change:
            user: dora
            old: {kind: Namespace, apiVersion: v1, metadata: {name: shop-dev, labels: {env: dev}}}
            new: {kind: Namespace, apiVersion: v1, metadata: {name: shop-dev, labels: {env: test}}}

    Good:
        - change:
            user: dora
            old: {kind: Namespace, apiVersion: v1, metadata: {name: shop-dev, labels: {env: dev}}}
            new: {kind: Namespace, apiVersion: v1, metadata: {name: shop-dev, labels: {env: dev, team: blue}}}
    """
    old, new = namespaces_of(change)
    if old is None or new is None or not world.is_managed(new.name):
        return
    label = world.settings.environment_label
    before, after = old.meta.labels.get(label), new.meta.labels.get(label)
    # A value that nobody declared is no environment: leaving it is a claim, judged as that.
    if before is None or before == after or not is_known(before, world.settings):
        return
    what = (
        f"is moved from {label}={before} to {label}={after}" if after is not None else f"loses label {label}={before}"
    )
    yield Complaint(
        f"{what}: its pods would change sides while they run",
        f"metadata.labels[{label}]",
        fix=f"keep {label}={before}; create another namespace for another environment",
    )
