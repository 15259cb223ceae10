"""Cases of order-not-before-baseline: tiers before, at and behind the baseline's."""

from tests.policy.table import case, table, tier
from webhook.policy.rules.order_not_before_baseline import order_not_before_baseline

WHY = "what it decides, the baseline never sees"
CASES = [
    case("behind", [tier("late", order=1_000_001)], []),
    case("before", [tier("early", order=999_999)], [f"has order 999999 and comes before tier default: {WHY}"]),
    case(
        "no order, sorts before",
        [tier("abc")],
        [f"has no order, which counts as 1000000 and comes before tier default: `abc` sorts before `default`: {WHY}"],
    ),
    case("no order, sorts behind", [tier("zzz")], []),
    case(
        "the same order, sorts before",
        [tier("abc", order=1_000_000)],
        [f"has order 1000000 and comes before tier default: `abc` sorts before `default`: {WHY}"],
    ),
    case("Calico's own", [tier("kube-admin", order=1000, defaultAction="Pass"), tier("calico-system", order=100)], []),
    case(
        "Calico's own, moved",
        [tier("kube-admin", order=999, defaultAction="Pass")],
        [f"has order 999 and comes before tier default: {WHY}"],
    ),
    case("left to tenants", [tier("early", order=10, defaultAction="Pass")], [], tenant_tiers=("default", "early")),
    case("the default one", [tier("default", order=1_000_000)], []),
    case(
        "the default one, moved",
        [tier("default", order=2_000_000)],
        ["has order 2000000; the baseline is in it, and others count on 1000000"],
    ),
]
test_order_not_before_baseline = table(order_not_before_baseline, CASES)
