"""Ordinary policies: what developers write in their own namespaces."""

from __future__ import annotations

from tests.guarded.attacks_namespaces import labels, patched
from tests.guarded.attempt import (
    CALICO,
    DEV,
    PLAIN,
    PROD,
    TEST,
    apply,
    delete,
    merge,
    operations,
    post,
    put,
    row,
)
from tests.guarded.ordinary_requests import (
    APPLIED,
    BY_NAME,
    DNS_PODS,
    FROM_PODS,
    GITOPS,
    KUBERNETES_POLICIES,
    OWN,
    POD,
    POLICIES,
    SELECTED,
    SETS,
    fine,
    free,
    kubernetes,
    let_in,
    let_out,
    local,
    own,
    written,
)
from tests.guarded.policies import SAME, calico

DEVELOPERS = [
    own("from pods of the own namespace", ingress=FROM_PODS),
    own(
        "between all pods of the own namespace",
        selector="all()",
        # In this namespace there is a set as well, which is no pod.
        ingress=[{"action": "Allow", "source": {"selector": POD}}],
    ),
    let_in("from pods of the own namespace, one port", selector="app == 'b'"),
    let_in("from the own environment", namespaceSelector='env == "dev"', selector=POD),
    let_in("from one namespace of a permitted environment", namespaceSelector=BY_NAME.format(TEST), selector=POD),
    let_in(
        "from the ingress controller",
        namespaceSelector=BY_NAME.format("ingress-nginx"),
        selector=POD,
    ),
    let_in("from monitoring", namespaceSelector=BY_NAME.format("monitoring"), selector="app == 'prometheus'"),
    let_in("from test, which settings permit", **{**SAME, "namespaceSelector": 'env == "test"'}),
    let_in("from dev and test", **{**SAME, "namespaceSelector": 'env in {"dev", "test"}'}),
    let_in("from a ServiceAccount of the own namespace", serviceAccounts={"names": ["robot"]}),
    own(
        "from anywhere, by the article's words",
        selector="all()",
        order=600,
        ingress=[{"action": "Allow", "protocol": "TCP", "source": {"namespaceSelector": 'env == "test"'}}],
    ),
    own(
        "a named port",
        ingress=[
            {
                "action": "Allow",
                "protocol": "TCP",
                "source": {"selector": "app == 'b'"},
                "destination": {"ports": ["http"]},
            }
        ],
    ),
    own(
        "a range of ports",
        ingress=[
            {
                "action": "Allow",
                "protocol": "TCP",
                "source": {"selector": "app == 'b'"},
                "destination": {"ports": ["8000:8100"]},
            }
        ],
    ),
    own(
        "health checks by ICMP within",
        ingress=[{"action": "Allow", "protocol": "ICMP", "icmp": {"type": 8}, "source": {"selector": "app == 'b'"}}],
    ),
    own("Log before Allow", ingress=[{"action": "Log", "source": {"selector": "app == 'b'"}}, *FROM_PODS]),
    own("narrowing: Deny one app", order=300, ingress=[{"action": "Deny", "source": {"selector": "app == 'c'"}}]),
    own(
        "narrowing: Deny test",
        order=300,
        ingress=[{"action": "Deny", "source": {"namespaceSelector": 'env == "test"'}}],
    ),
    own(
        "narrowing: Deny one port out",
        order=300,
        types=["Egress"],
        egress=[{"action": "Deny", "protocol": "TCP", "destination": {"ports": [25]}}],
    ),
    own("narrowing: Deny everything in", order=400, ingress=[{"action": "Deny"}]),
    own(
        "narrowing: DNS, then Deny everything out",
        order=400,
        types=["Egress"],
        egress=[
            {"action": "Allow", "protocol": "UDP", "destination": DNS_PODS},
            {"action": "Allow", "protocol": "TCP", "destination": DNS_PODS},
            {"action": "Deny"},
        ],
    ),
    let_out("to DNS", **DNS_PODS),
    let_out("to the own namespace", selector="app == 'db'", ports=[5432]),
    let_out("to the own environment", **SAME),
    own("order 100, the first of the band", order=100, ingress=FROM_PODS),
    own("order 3999, the last of the band", order=3999, ingress=FROM_PODS),
    own("order 600.5", order=600.5, ingress=FROM_PODS),
    own("tier default by name", tier="default", ingress=FROM_PODS),
    own(
        "rules for both directions",
        types=["Ingress", "Egress"],
        ingress=FROM_PODS,
        egress=[{"action": "Allow", "destination": {"selector": "app == 'b'"}}],
    ),
    fine(
        "a policy by generateName",
        "tenant",
        post(POLICIES, {**local(ingress=FROM_PODS), "metadata": {"generateName": "ordinary-"}}),
    ),
    fine("a policy by dry run", "tenant", post(f"{POLICIES}?dryRun=All", local(ingress=FROM_PODS))),
    fine(
        "a policy in an unassigned namespace, within it",
        "tenant",
        post(f"{CALICO}/namespaces/{PLAIN}/networkpolicies", local(ingress=FROM_PODS)),
    ),
    fine(
        "a policy in prod, within prod",
        "engineer",
        post(
            f"{CALICO}/namespaces/{PROD}/networkpolicies",
            local(ingress=[{"action": "Allow", "source": {**SAME, "namespaceSelector": 'env == "prod"'}}]),
        ),
    ),
    fine(
        "a policy in test, within test",
        "tenant",
        post(
            f"{CALICO}/namespaces/{TEST}/networkpolicies",
            local(ingress=[{"action": "Allow", "source": {**SAME, "namespaceSelector": 'env == "test"'}}]),
        ),
    ),
    kubernetes("Kubernetes: from pods of the own namespace", ingress=[{"from": [{"podSelector": SELECTED}]}]),
    kubernetes(
        "Kubernetes: a chart's port from the own namespace",
        policyTypes=["Ingress"],
        ingress=[{"from": [{"podSelector": {}}], "ports": [{"port": 8080, "protocol": "TCP"}]}],
    ),
    kubernetes(
        "Kubernetes: from the ingress controller",
        ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}}]}],
    ),
    kubernetes(
        "Kubernetes: from monitoring's Prometheus",
        ingress=[
            {
                "from": [
                    {
                        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
                        "podSelector": SELECTED,
                    }
                ]
            }
        ],
    ),
    kubernetes(
        "Kubernetes: from the own environment",
        ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"env": "dev"}}}]}],
    ),
    kubernetes("Kubernetes: from test", ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"env": "test"}}}]}]),
    kubernetes("Kubernetes: deny all", policyTypes=["Ingress", "Egress"]),
    kubernetes(
        "Kubernetes: DNS out",
        policyTypes=["Egress"],
        egress=[
            {
                "to": [
                    {
                        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
                    }
                ],
                "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
            }
        ],
    ),
    fine(
        "a staged policy",
        "tenant",
        post(
            f"{CALICO}/namespaces/{DEV}/stagednetworkpolicies",
            {**local(ingress=FROM_PODS), "kind": "StagedNetworkPolicy"},
        ),
    ),
    fine(
        "a staged policy that opens too much",
        "tenant",
        post(
            f"{CALICO}/namespaces/{DEV}/stagednetworkpolicies",
            {**local(ingress=[{"action": "Allow"}]), "kind": "StagedNetworkPolicy"},
        ),
    ),
    fine(
        "a set of partners' addresses",
        "tenant",
        post(
            SETS,
            {
                **calico("NetworkSet", "ordinary", nets=["198.51.100.0/24"]),
                "metadata": {"name": "ordinary", "labels": {"team": "a"}},
            },
        ),
    ),
    fine(
        "an own policy's rules",
        "tenant",
        merge(
            OWN,
            {
                "spec": {
                    "ingress": [
                        {"action": "Allow", "source": {"selector": "role == 'db'", "notSelector": "old == 'yes'"}}
                    ]
                }
            },
        ),
    ),
    fine("an own policy's order", "tenant", operations(OWN, patched("replace", "/spec/order", value=650))),
    fine("an own policy's label", "tenant", merge(OWN, labels("team", "a"))),
    fine("a no-op PUT of an own policy", "tenant", put(OWN, {})),
    fine("a no-op patch of the baseline", "tenant", merge(f"{POLICIES}/default-deny", {})),
    row(
        "a policy by apply",
        "tenant",
        apply(APPLIED, written(ingress=FROM_PODS), GITOPS),
        201,
        undone=(delete(APPLIED),),
    ),
    row(
        "GitOps applies the same again",
        "tenant",
        apply(APPLIED, written(ingress=FROM_PODS), GITOPS),
        200,
        prepared=(apply(APPLIED, written(ingress=FROM_PODS), GITOPS),),
        dead=None,
        undone=(delete(APPLIED),),
    ),
    row(
        "GitOps applies a change",
        "tenant",
        apply(APPLIED, written(order=800, ingress=FROM_PODS), GITOPS),
        200,
        prepared=(apply(APPLIED, written(ingress=FROM_PODS), GITOPS),),
        dead=None,
        undone=(delete(APPLIED),),
    ),
    free(
        "an own policy deleted",
        "tenant",
        delete(f"{POLICIES}/ordinary"),
        prepared=(post(POLICIES, local(ingress=FROM_PODS)),),
        dead=None,
    ),
    free(
        "an own policy deleted in the foreground",
        "tenant",
        delete(f"{POLICIES}/ordinary", propagationPolicy="Foreground"),
        prepared=(post(POLICIES, local(ingress=FROM_PODS)),),
        dead=None,
    ),
    free(
        "the article's name deleted",
        "tenant",
        delete(f"{POLICIES}/test-ns-allow"),
        prepared=(post(POLICIES, {**local(ingress=FROM_PODS), "metadata": {"name": "test-ns-allow"}}),),
        dead=None,
    ),
    free("all Kubernetes policies as a collection", "tenant", delete(KUBERNETES_POLICIES)),
]


POLICY_ROWS = {"developers' policies": DEVELOPERS}
