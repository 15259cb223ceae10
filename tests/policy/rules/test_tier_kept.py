"""Cases of tier-kept: tiers that may not go."""

from tests.policy.table import case, change, ns, policy, table, tier
from webhook.policy.rules.tier_kept import tier_kept

CASES = [
    case("an empty one", [], [], on=change(tier("late", order=2_000_000))),
    case(
        "one with policies",
        [ns(), policy(tier="late")],
        ["still has policies, such as NetworkPolicy shop/web"],
        on=change(tier("late", order=2_000_000)),
    ),
    case("another with policies", [ns(), policy(tier="later")], [], on=change(tier("late", order=2_000_000))),
    case(
        "the default one",
        [],
        ["holds the baseline and may not be deleted"],
        on=change(tier("default", order=1_000_000)),
    ),
    case("changed is not deleted", [], [], on=change(tier("default"), tier("default", order=1_000_000))),
    case("something else", [], [], on=change(policy())),
]
test_tier_kept = table(tier_kept, CASES)
