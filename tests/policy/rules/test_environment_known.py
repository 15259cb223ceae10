"""Cases of environment-known: a declared environment, or none at all where nothing is managed."""

from tests.policy.table import case, ns, table
from webhook.policy.rules.environment_known import environment_known
from webhook.policy.settings import Unmatched

NO_LABEL = "has no label env, which says what its pods may talk to"
CASES = [
    case("a declared one", [ns(env="dev")], []),
    case("unassigned", [ns(env="unassigned")], []),
    case("an undeclared one", [ns(env="qa")], ["has label env=qa, which is no declared environment"]),
    case("another case of letters", [ns(env="Dev")], ["has label env=Dev, which is no declared environment"]),
    case("an empty one", [ns(env="")], ["has label env=, which is no declared environment"]),
    case("none", [ns(env=None)], [NO_LABEL]),
    case("none, and the name fits", [ns("shop-dev", env=None)], [NO_LABEL]),
    case(
        "none, and settings refuse what fits nothing",
        [ns(env=None)],
        ["the name shop fits no environment, and settings refuse such namespaces"],
        unmatched=Unmatched.DENY,
    ),
    case("exempt without a label", [ns("kube-system", env=None)], []),
    case(
        "exempt with a label",
        [ns("kube-system", env="prod")],
        ["carries label env=prod although it is exempt: its pods would count as prod"],
    ),
    case(
        "exempt by another label than the configured one", [ns("kube-system", env="x")], [], environment_label="stage"
    ),
]
test_environment_known = table(environment_known, CASES)
