"""Rule environment-claim-permitted."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.change import Change, Operation
from webhook.policy.environment import by_name, is_known, may_claim
from webhook.policy.finding import Complaint, Severity
from webhook.policy.rule import rule
from webhook.policy.subjects import namespaces_of
from webhook.policy.world import World


@rule(Change, Severity.DENY)
def environment_claim_permitted(change: Change, world: World) -> Iterator[Complaint]:
    """
    Only who may claim an environment creates a namespace of it, by name or by label.

    Why:
        A namespace of an environment reaches every other one of it. Whoever could create one in production could
        talk to production.

    Fix:
        Choose another environment, or let one of those named in claimableBy create the namespace.

    Bad:
        - change:
            user: dora
            new: {kind: Namespace, apiVersion: v1, metadata: {name: shop-prod, labels: {env: prod}}}

    Good:
        - change:
            user: paul
            groups: [platform-admins]
            new: {kind: Namespace, apiVersion: v1, metadata: {name: shop-prod, labels: {env: prod}}}
    """
    old, new = namespaces_of(change)
    if new is None or not world.is_managed(new.name):
        return
    label = world.settings.environment_label
    before = None if old is None else old.meta.labels.get(label)
    claimed = new.meta.labels.get(label)
    if claimed is None or claimed == before or may_claim(change.user, claimed, world.settings):
        return
    if before is not None and is_known(before, world.settings):
        return  # environment-unchanged refuses it to everyone
    if change.operation is Operation.UPDATE and by_name(new.name, world.settings) == (claimed,):
        return  # a namespace older than the baseline gets the environment that its name always had
    allowed = world.settings.environment(claimed)
    assert allowed is not None
    assert allowed.claimable_by is not None
    owners = ", ".join(sorted(allowed.claimable_by.groups | allowed.claimable_by.users)) or "nobody"
    how = "by its name" if claimed in by_name(new.name, world.settings) else "by label"
    yield Complaint(
        f"claims environment {claimed} {how}, which {change.user.name or 'an unnamed user'} may not",
        f"metadata.labels[{label}]",
        fix=f"have it created by {owners}, or choose another environment",
    )
