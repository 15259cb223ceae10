"""Cases of namespace-finalizers-kept: what holds a namespace's content until it is emptied."""

from tests.policy.table import case, change, ns, table, terminating
from webhook.policy.rules.namespace_finalizers_kept import namespace_finalizers_kept

FULL = ns()
EMPTY = {**FULL, "spec": {"finalizers": []}}
SAID = "loses finalizer kubernetes while it lives: its policies would outlive it"
CASES = [
    case("unchanged", [], [], on=change(FULL, FULL, subresource="finalize")),
    case("emptied while it lives", [], [SAID], on=change(FULL, EMPTY, subresource="finalize")),
    case(
        "without spec",
        [],
        [SAID],
        on=change(FULL, {k: v for k, v in FULL.items() if k != "spec"}, subresource="finalize"),
    ),
    case("replaced by another", [], [SAID], on=change(FULL, {**FULL, "spec": {"finalizers": ["x/y"]}})),
    case("emptied by who only says that it is being deleted", [], [SAID], on=change(FULL, terminating(EMPTY))),
    case(
        "emptied while it is being deleted",
        [],
        [],
        on=change(terminating(FULL), terminating(EMPTY), subresource="finalize"),
    ),
    case("added", [], [], on=change(FULL, {**FULL, "spec": {"finalizers": ["kubernetes", "x/y"]}})),
    case("an exempt namespace", [], [], on=change(ns("kube-public"), {**ns("kube-public"), "spec": {}})),
]
test_namespace_finalizers_kept = table(namespace_finalizers_kept, CASES)
