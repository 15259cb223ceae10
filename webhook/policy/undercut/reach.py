"""Reach: which of its rules a policy gets to apply, by its tier and order, before the baseline has decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from webhook.policy.objects import DEFAULT_TIER_ORDER, TIER_DEFAULT, Action, Policy, Tier
from webhook.policy.settings import DenyForm, Settings
from webhook.policy.world import World

# What Calico creates itself, with orders that nobody can change; the last two in 3.29 to 3.31.
BUILT_IN_TIERS: Mapping[str, Tier] = {
    TIER_DEFAULT: Tier(TIER_DEFAULT, DEFAULT_TIER_ORDER, Action.DENY),
    "kube-admin": Tier("kube-admin", 1_000.0, Action.PASS),
    "kube-baseline": Tier("kube-baseline", 10_000_000.0, Action.PASS),
    "adminnetworkpolicy": Tier("adminnetworkpolicy", 1_000.0, Action.PASS),
    "baselineadminnetworkpolicy": Tier("baselineadminnetworkpolicy", 10_000_000.0, Action.PASS),
}


class Place(Enum):
    """Where a policy stands to the baseline, which is in tier `default`."""

    BEFORE = "an earlier tier"
    BESIDE = "the tier of the baseline"
    AFTER = "a later tier"
    NOWHERE = "a tier that does not exist"


@dataclass(frozen=True, slots=True)
class Reach:
    """
    Where a policy stands, and which baseline policies come before it.

    Equal orders count as before the baseline's, whatever the names: Calico up to 3.31 compares other names than later
    ones do.
    """

    place: Place
    is_after_deny: bool
    is_after_dns: bool
    is_after_same_environment: bool
    drops_the_rest: bool  # the tier ends in a drop of what its policies left undecided, before the baseline's turn

    @property
    def can_open(self) -> bool:
        return self.place is Place.BEFORE or (self.place is Place.BESIDE and not self.is_after_deny)

    @property
    def can_block(self) -> bool:
        return self.place is Place.BEFORE or (self.place is Place.BESIDE and not self.is_after_dns)


def tier_of(policy: Policy, world: World) -> Tier | None:
    return world.tiers.get(policy.tier) or BUILT_IN_TIERS.get(policy.tier)


def reach(policy: Policy, world: World) -> Reach:
    settings = world.settings
    place = _place(policy, world)
    beside = place is Place.BESIDE
    is_behind = place in (Place.AFTER, Place.NOWHERE)
    tier = tier_of(policy, world)
    return Reach(
        place=place,
        is_after_deny=is_behind or (beside and policy.order > last_order(settings)),
        is_after_dns=is_behind or (beside and policy.order > settings.orders.dns),
        is_after_same_environment=is_behind or (beside and policy.order > settings.orders.same_environment),
        drops_the_rest=place is Place.BEFORE and tier is not None and tier.default_action is not Action.PASS,
    )


def last_order(settings: Settings) -> float:
    """The order behind which nothing is reached: without rules of its own, default-deny lets later policies decide."""
    return settings.orders.deny if settings.deny_form is DenyForm.EXPLICIT else settings.orders.floor


def _place(policy: Policy, world: World) -> Place:
    if policy.tier == TIER_DEFAULT:
        return Place.BESIDE
    tier = tier_of(policy, world)
    if tier is None:
        return Place.NOWHERE
    baseline = world.tiers.get(TIER_DEFAULT) or BUILT_IN_TIERS[TIER_DEFAULT]
    return Place.BEFORE if (tier.order, tier.name) < (baseline.order, baseline.name) else Place.AFTER
