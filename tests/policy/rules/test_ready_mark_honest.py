"""Cases of ready-mark-honest: the controller's mark is not forged afterwards."""

from tests.policy.table import case, change, ns, table
from webhook.policy.plan import READY_FOR, READY_SECONDS
from webhook.policy.rules.ready_mark_honest import ready_mark_honest


def marked(uid: str = "uid-shop", seconds: str = "0.084") -> dict[str, object]:
    return ns(annotations={READY_FOR: uid, READY_SECONDS: seconds})


CASES = [
    case("marked", [], [], on=change(ns(), marked())),
    case("untouched", [], [], on=change(marked(), marked())),
    case("for another namespace", [], [f"sets {READY_FOR} to u2, which is not its uid"], on=change(ns(), marked("u2"))),
    case(
        "no seconds",
        [],
        [f"sets {READY_SECONDS} to soon, which are no seconds"],
        on=change(ns(), marked(seconds="soon")),
    ),
    case(
        "earlier than it was",
        [],
        [f"changes {READY_SECONDS}, which the controller wrote"],
        on=change(marked(), marked(seconds="0")),
    ),
    case(
        "taken away",
        [],
        [f"changes {READY_FOR}, which the controller wrote", f"changes {READY_SECONDS}, which the controller wrote"],
        on=change(marked(), ns()),
    ),
    case("brought along from a backup", [], [], on=change(None, marked("another life"))),
    case("and replaced by the controller", [], [], on=change(marked("another life"), marked())),
]
test_ready_mark_honest = table(ready_mark_honest, CASES)
