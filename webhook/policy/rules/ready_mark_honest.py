"""Rule ready-mark-honest."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.change import Change
from webhook.policy.finding import Complaint, Severity
from webhook.policy.plan import READY_FOR, READY_SECONDS
from webhook.policy.rule import rule
from webhook.policy.subjects import namespaces_of
from webhook.policy.world import World


@rule(Change, Severity.DENY)
def ready_mark_honest(change: Change, world: World) -> Iterator[Complaint]:
    """
    The mark that a namespace's baseline is there is written once for a namespace, and only for itself.

    Why:
        An auditor reads from it since when a namespace is isolated, and how long that took.

    Fix:
        Leave the annotations to the controller.

    Bad:
        - change:
            user: dora
            old: &ready
              kind: Namespace
              apiVersion: v1
              metadata:
                {name: shop-dev, uid: u1, labels: {env: dev}, annotations: {isolation-baseline.io/ready-for: u1}}
            new:
              kind: Namespace
              apiVersion: v1
              metadata:
                {name: shop-dev, uid: u1, labels: {env: dev}, annotations: {isolation-baseline.io/ready-for: u2}}

    Good:
        - change:
            user: anyone
            old: {kind: Namespace, apiVersion: v1, metadata: {name: shop-dev, uid: u1, labels: {env: dev}}}
            new:
              kind: Namespace
              apiVersion: v1
              metadata:
                {name: shop-dev, uid: u1, labels: {env: dev}, annotations: {isolation-baseline.io/ready-for: u1}}
    """
    old, new = namespaces_of(change)
    # A namespace is not born ready: a mark brought along from a backup names another uid, and counts for nothing.
    if old is None or new is None or not world.is_managed(new.name):
        return
    before, after = old.meta.annotations, new.meta.annotations
    is_marked = before.get(READY_FOR) == old.meta.uid
    for key in (READY_FOR, READY_SECONDS):
        if before.get(key) == after.get(key):
            continue
        path = f"metadata.annotations[{key}]"
        if is_marked:
            yield Complaint(f"changes {key}, which the controller wrote", path, fix="leave it as it was")
        elif key == READY_FOR and after.get(key) not in (None, old.meta.uid):
            yield Complaint(f"sets {key} to {after[key]}, which is not its uid", path, fix="leave it out")
        elif key == READY_SECONDS and not _is_seconds(after.get(key)):
            yield Complaint(f"sets {key} to {after[key]}, which are no seconds", path, fix="leave it out")


def _is_seconds(text: str | None) -> bool:
    return text is None or text.replace(".", "", 1).isdecimal()
