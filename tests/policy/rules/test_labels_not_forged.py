"""Cases of labels-not-forged: labels that pass a set for a pod or for a part of a namespace."""

from tests.policy.table import case, cluster_object, table
from webhook.policy.rules.labels_not_forged import labels_not_forged

SAID = "by which it passes for a pod or namespace"
CASES = [
    case(
        "own labels",
        [cluster_object("NetworkSet", "a", labels={"role": "partner", "xprojectcalico.org/name": "a"})],
        [],
    ),
    case(
        "a pod's",
        [cluster_object("NetworkSet", "a", labels={"projectcalico.org/orchestrator": "k8s"})],
        [f"carries label projectcalico.org/orchestrator=k8s, {SAID}"],
    ),
    case(
        "a namespace's, on a global set",
        [cluster_object("GlobalNetworkSet", "a", labels={"pcns.env": "prod"})],
        [f"carries label pcns.env=prod, {SAID}"],
    ),
    case(
        "a service account's, on a host endpoint",
        [cluster_object("HostEndpoint", "a", labels={"pcsa.role": "db"}, node="n")],
        [f"carries label pcsa.role=db, {SAID}"],
    ),
    case(
        "how Calico marks the host endpoints it made",
        [
            cluster_object(
                "HostEndpoint", "a", labels={"projectcalico.org/created-by": "calico-kube-controllers"}, node="n"
            )
        ],
        [],
    ),
]
test_labels_not_forged = table(labels_not_forged, CASES)
