"""Cases of environment-claim-permitted: who may have which environment, by name and by label."""

from tests.policy.table import case, change, ns, table
from webhook.policy.rules.environment_claim_permitted import environment_claim_permitted

BY_NAME = "claims environment prod by its name, which dora may not"
BY_LABEL = "claims environment prod by label, which dora may not"
ADMINS = ["platform-admins"]
CASES = [
    case("anyone's environment", [], [], on=change(None, ns("shop-dev", "dev"))),
    case("unassigned is anyone's", [], [], on=change(None, ns("shop", "unassigned"))),
    case("by name", [], [BY_NAME], on=change(None, ns("shop-prod", "prod"))),
    case("by label", [], [BY_LABEL], on=change(None, ns("shop", "prod"))),
    case("by a member of the group", [], [], on=change(None, ns("shop", "prod"), groups=ADMINS)),
    case(
        "by a group of almost that name",
        [],
        [BY_LABEL],
        on=change(None, ns("shop", "prod"), groups=["platform-admins2"]),
    ),
    case(
        "by a user of the group's name",
        [],
        ["claims environment prod by label, which platform-admins may not"],
        on=change(None, ns("shop", "prod"), user="platform-admins"),
    ),
    case("by system:masters", [], [BY_LABEL], on=change(None, ns("shop", "prod"), groups=["system:masters"])),
    case(
        "an old namespace gets what its name gives it",
        [],
        [],
        on=change(ns("shop-prod", None), ns("shop-prod", "prod")),
    ),
    case("an old namespace claims more than its name", [], [BY_LABEL], on=change(ns("shop", None), ns("shop", "prod"))),
    case("from a value that nobody declared", [], [BY_LABEL], on=change(ns("shop", "qa"), ns("shop", "prod"))),
    case("from a declared one it is another rule's", [], [], on=change(ns("shop", "dev"), ns("shop", "prod"))),
    case(
        "nothing claimed anew", [], [], on=change(ns("shop-prod", "prod"), ns("shop-prod", "prod", labels={"a": "b"}))
    ),
    case("an exempt namespace", [], [], on=change(None, ns("kube-system", "prod"))),
]
test_environment_claim_permitted = table(environment_claim_permitted, CASES)
