"""Cases of default-action-safe: what becomes of what no policy of a tier decides."""

from tests.policy.table import case, table, tier
from webhook.policy.rules.default_action_safe import default_action_safe

EARLY = "comes before the baseline and denies what no policy in it decides, DNS too"
CASES = [
    case("default denies", [tier("default", order=1_000_000, defaultAction="Deny")], []),
    case(
        "default passes",
        [tier("default", order=1_000_000, defaultAction="Pass")],
        ["passes on what no policy in it decides, and Calico then allows it"],
    ),
    case("an earlier one passes", [tier("early", order=10, defaultAction="Pass")], []),
    case("an earlier one denies", [tier("early", order=10, defaultAction="Deny")], [EARLY]),
    case("an earlier one says nothing", [tier("early", order=10)], [EARLY]),
    case("no order, sorts before", [tier("abc")], [EARLY]),
    case("a later one denies", [tier("late", order=2_000_000, defaultAction="Deny")], []),
    case("Calico's own", [tier("calico-system", order=100, defaultAction="Deny")], []),
]
test_default_action_safe = table(default_action_safe, CASES)
