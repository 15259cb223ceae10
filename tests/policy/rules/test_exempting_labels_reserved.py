"""Cases of exempting-labels-reserved: labels by which others leave a namespace out."""

from tests.policy.table import case, ns, table
from webhook.policy.rules.exempting_labels_reserved import exempting_labels_reserved

CASES = [
    case("other labels", [ns(labels={"team": "blue", "plane": "control"})], []),
    case(
        "AKS",
        [ns(labels={"control-plane": "true"})],
        ["carries label control-plane=true, which takes it out of admission webhooks' sight"],
    ),
    case(
        "whatever its value",
        [ns(labels={"kubernetes.azure.com/managedby": "me"})],
        ["carries label kubernetes.azure.com/managedby=me, which takes it out of admission webhooks' sight"],
    ),
    case(
        "ours",
        [ns(labels={"isolation-baseline.io/exempt": "true"})],
        ["carries label isolation-baseline.io/exempt=true, which is reserved"],
    ),
    case("almost ours", [ns(labels={"isolation-baseline.io.example.org/exempt": "true"})], []),
    case("an exempt namespace", [ns("kube-system", None, labels={"control-plane": "true"})], []),
    case("not in the settings' list", [ns(labels={"control-plane": "true"})], [], exempting_labels=()),
]
test_exempting_labels_reserved = table(exempting_labels_reserved, CASES)
