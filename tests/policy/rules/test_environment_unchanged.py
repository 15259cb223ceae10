"""Cases of environment-unchanged: the label on every path on which a namespace is written."""

from tests.policy.table import case, change, ns, table, terminating
from webhook.policy.rules.environment_unchanged import environment_unchanged

DEV, TEST, NONE = ns(env="dev"), ns(env="test"), ns(env=None)
MOVED = "is moved from env=dev to env=test: its pods would change sides while they run"
LOST = "loses label env=dev: its pods would change sides while they run"
CASES = [
    case("unchanged", [], [], on=change(DEV, ns(env="dev", labels={"team": "blue"}))),
    case("another environment", [], [MOVED], on=change(DEV, TEST)),
    case("by the status", [], [MOVED], on=change(DEV, TEST, subresource="status")),
    case("by finalize", [], [MOVED], on=change(DEV, TEST, subresource="finalize")),
    case("by system:masters", [], [MOVED], on=change(DEV, TEST, groups=["system:masters"])),
    case("removed", [], [LOST], on=change(DEV, NONE)),
    case("while it is being deleted", [], [MOVED], on=change(terminating(DEV), terminating(TEST))),
    case(
        "leaving unassigned",
        [],
        ["is moved from env=unassigned to env=dev: its pods would change sides while they run"],
        on=change(ns(env="unassigned"), DEV),
    ),
    case("leaving what nobody declared is a claim", [], [], on=change(ns(env="qa"), DEV)),
    case("set for the first time", [], [], on=change(NONE, DEV)),
    case("of an exempt namespace", [], [], on=change(ns("kube-system", "dev"), ns("kube-system", "test"))),
    case("at creation there is nothing to change", [], [], on=change(None, DEV)),
]
test_environment_unchanged = table(environment_unchanged, CASES)
