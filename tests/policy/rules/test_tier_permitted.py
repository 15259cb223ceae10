"""Cases of tier-permitted: tenants' tiers and the rest."""

from tests.policy.table import case, gnp, ns, policy, table
from webhook.policy.rules.tier_permitted import tier_permitted

SHOP = ns()
CASES = [
    case("the default one", [SHOP, policy(tier="default")], []),
    case("none said", [SHOP, policy()], []),
    case("an empty one", [SHOP, policy(tier="")], []),
    case("another", [SHOP, policy(tier="platform")], ["is in tier platform, which is not tenants'"]),
    case("one for administrators", [gnp(tier="kube-admin")], ["is in tier kube-admin, which is not tenants'"]),
    case(
        "Calico's own",
        [SHOP, policy("calico-system.a", tier="calico-system")],
        ["is in tier calico-system, which is not tenants'"],
    ),
    case(
        "Calico's own in its namespace",
        [ns("calico-system", None), policy("calico-system.a", "calico-system", tier="calico-system")],
        [],
    ),
    case("left to tenants", [SHOP, policy(tier="platform")], [], tenant_tiers=("default", "platform")),
]
test_tier_permitted = table(tier_permitted, CASES)
