"""Rule passes-do-not-bypass-baseline."""

from __future__ import annotations

from tests.policy.table import case, ns, policy, table, tier
from webhook.policy.rules.passes_do_not_bypass_baseline import passes_do_not_bypass_baseline

SHOP = ns("shop", "dev")
PASS = [{"action": "Pass"}]
LATE = [{"action": "Pass", "source": {"namespaceSelector": "env == 'prod'"}}]

CASES = [
    case(
        "everything past the baseline",
        [SHOP, policy(ingress=PASS)],
        [
            "passes over the baseline and opens shop to env=prod, env=unassigned, namespaces without env and any "
            "address but those in 10.240.0.0/16, which settings do not permit"
        ],
    ),
    case(
        "one environment past the baseline",
        [SHOP, policy(ingress=LATE)],
        ["passes over the baseline and opens shop to env=prod, which settings do not permit"],
    ),
    case("what settings permit", [SHOP, policy(ingress=[{"action": "Pass", "source": {"selector": "a == 'b'"}}])], []),
    case("behind the denial", [SHOP, policy(order=5001, ingress=PASS)], []),
    case(
        "from an earlier tier to the baseline",
        [SHOP, tier("early", order=10, defaultAction="Pass"), policy(tier="early", ingress=PASS)],
        [],
    ),
    case(
        "from an earlier tier, whatever it does in the end",
        [SHOP, tier("early", order=10, defaultAction="Deny"), policy(tier="early", ingress=PASS)],
        [],
    ),
    case("an Allow is another rule's", [SHOP, policy(ingress=[{"action": "Allow"}])], []),
]
test_passes_do_not_bypass_baseline = table(passes_do_not_bypass_baseline, CASES)
