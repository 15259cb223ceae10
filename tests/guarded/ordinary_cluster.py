"""Ordinary writes: namespaces, everything that is not ours to judge, and Calico's own writers."""

from __future__ import annotations

from tests.guarded.attacks_namespaces import born, env, labels
from tests.guarded.attempt import (
    CALICO,
    DEV,
    KUBERNETES,
    NAMESPACES,
    apply,
    merge,
    post,
    put,
    row,
    strategic,
)
from tests.guarded.ordinary_requests import (
    AT,
    BY_NAME,
    FROM_PODS,
    GITOPS,
    KUBE_SYSTEM,
    POD_SPEC,
    POLICIES,
    TIERS,
    WORKLOAD,
    fine,
    free,
    local,
    of,
)
from tests.guarded.policies import calico

NAMESPACE_OWNERS = [
    fine("a namespace", "tenant", post(NAMESPACES, born("dev-ordinary-1")), dead=403),
    fine(
        "a namespace by generateName",
        "tenant",
        post(NAMESPACES, {"metadata": {"generateName": "dev-ordinary-"}}),
        dead=403,
    ),
    fine(
        "a namespace with an environment that anyone may claim",
        "tenant",
        post(NAMESPACES, born("ordinary-2", env="test")),
    ),
    fine("a namespace that says unassigned", "tenant", post(NAMESPACES, born("ordinary-3", env="unassigned"))),
    fine("a namespace that fits nothing", "tenant", post(NAMESPACES, born("ordinary-4")), dead=403),
    fine("prod by who may claim it", "engineer", post(NAMESPACES, born("prod-ordinary-5")), dead=403),
    fine("prod by label by who may claim it", "engineer", post(NAMESPACES, born("ordinary-6", env="prod"))),
    fine(
        "a namespace with other labels",
        "tenant",
        post(NAMESPACES, born("dev-ordinary-7", team="a", **{"istio-injection": "enabled"})),
        dead=403,
    ),
    fine(
        "a namespace of pod security",
        "tenant",
        post(NAMESPACES, born("dev-ordinary-8", **{"pod-security.kubernetes.io/enforce": "restricted"})),
        dead=403,
    ),
    fine("a namespace by dry run", "tenant", post(f"{NAMESPACES}?dryRun=All", born("dev-ordinary-9")), dead=403),
    fine("another label", "tenant", merge(AT, labels("team", "a"))),
    fine("another label, strategic", "tenant", strategic(AT, labels("team", "b"))),
    fine("another label removed", "tenant", merge(AT, labels("team", None))),
    fine("an annotation", "tenant", merge(AT, {"metadata": {"annotations": {"owner.example/team": "a"}}})),
    fine("the same env again", "tenant", merge(AT, env("dev"))),
    fine("a no-op PUT", "tenant", put(AT, {})),
    fine("a finalizer of one's own", "tenant", merge(AT, {"metadata": {"finalizers": ["mine.example/hold"]}})),
    fine("that finalizer away again", "tenant", merge(AT, {"metadata": {"finalizers": None}})),
    row(
        "a namespace applied again without env",
        "tenant",
        apply(AT, {"metadata": {"labels": {"team": "a"}}, "apiVersion": "v1", "kind": "Namespace"}, GITOPS),
        200,
    ),
    free("a condition in /status", "cluster-admin", merge(f"{AT}/status", {"status": {"phase": "Active"}})),
    free("a label on kube-system", "cluster-admin", merge(KUBE_SYSTEM, labels("team", "platform"))),
    free("a label on kube-system removed", "cluster-admin", merge(KUBE_SYSTEM, labels("team", None))),
]

CLUSTER = [
    free("a ConfigMap", "tenant", post(f"{AT}/configmaps", of("v1", "ConfigMap", data={"a": "b"}))),
    free("a Secret", "cluster-admin", post(f"{AT}/secrets", of("v1", "Secret", stringData={"a": "b"}))),
    free("a Service", "tenant", post(f"{AT}/services", of("v1", "Service", spec={"ports": [{"port": 80}]}))),
    free("a pod", "tenant", post(f"{AT}/pods", of("v1", "Pod", spec=POD_SPEC))),
    free("a pod's label", "tenant", merge(f"{AT}/pods/innocent", labels("team", "a"))),
    free(
        "a pod's other annotation",
        "tenant",
        merge(f"{AT}/pods/innocent", {"metadata": {"annotations": {"cni.projectcalico.org/containerID": "abc"}}}),
    ),
    free(
        "a pod's status by its kubelet",
        "as kubelet",
        merge(f"{AT}/pods/innocent/status", {"status": {"message": "on its way"}}),
    ),
    free(
        "a pod's address by its kubelet",
        "as kubelet",
        merge(f"{AT}/pods/innocent/status", {"metadata": {"annotations": {"vpc.amazonaws.com/pod-ips": "10.240.0.9"}}}),
    ),
    free(
        "a pod's address by the CNI plugin",
        "as CNI plugin",
        merge(
            f"{AT}/pods/innocent/status",
            {"metadata": {"annotations": {"cni.projectcalico.org/podIP": "10.240.0.9/32"}}},
        ),
    ),
    free("a pod with an address, its label", "tenant", merge(f"{AT}/pods/innocent", labels("team", "b"))),
    free(
        "a Deployment",
        "cluster-admin",
        post(
            f"/apis/apps/v1/namespaces/{DEV}/deployments", of("apps/v1", "Deployment", spec={**WORKLOAD, "replicas": 0})
        ),
    ),
    free(
        "a DaemonSet of kube-system",
        "cluster-admin",
        post("/apis/apps/v1/namespaces/kube-system/daemonsets", of("apps/v1", "DaemonSet", spec=WORKLOAD)),
    ),
    free("a ConfigMap of kube-system", "cluster-admin", post(f"{KUBE_SYSTEM}/configmaps", of("v1", "ConfigMap"))),
    free("a pod of kube-system", "cluster-admin", post(f"{KUBE_SYSTEM}/pods", of("v1", "Pod", spec=POD_SPEC))),
    free(
        "a Lease",
        "cluster-admin",
        post(
            "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases",
            of("coordination.k8s.io/v1", "Lease", spec={"holderIdentity": "a"}),
        ),
    ),
    free(
        "a node's Lease",
        "cluster-admin",
        post(
            "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases",
            of("coordination.k8s.io/v1", "Lease", spec={"holderIdentity": "n"}),
        ),
    ),
    free("a node", "cluster-admin", post("/api/v1/nodes", of("v1", "Node"))),
    free(
        "an autoscaler",
        "cluster-admin",
        post(
            f"/apis/autoscaling/v2/namespaces/{DEV}/horizontalpodautoscalers",
            of(
                "autoscaling/v2",
                "HorizontalPodAutoscaler",
                spec={"maxReplicas": 2, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"}},
            ),
        ),
    ),
    free(
        "a role",
        "cluster-admin",
        post(
            "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            of("rbac.authorization.k8s.io/v1", "ClusterRole", rules=[]),
        ),
    ),
    free(
        "an event",
        "cluster-admin",
        post(
            f"{AT}/events",
            of(
                "v1",
                "Event",
                involvedObject={"kind": "Pod", "name": "innocent", "namespace": DEV},
                reason="a",
                message="b",
            ),
        ),
    ),
    free(
        "a priority class",
        "cluster-admin",
        post("/apis/scheduling.k8s.io/v1/priorityclasses", of("scheduling.k8s.io/v1", "PriorityClass", value=5)),
    ),
    free(
        "somebody else's webhook configuration",
        "cluster-admin",
        post(
            "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
            of("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", webhooks=[]),
        ),
    ),
    free(
        "a policy of kube-system that opens it",
        "cluster-admin",
        post(
            f"{CALICO}/namespaces/kube-system/networkpolicies",
            calico(
                "NetworkPolicy",
                "ordinary",
                order=1,
                selector="(k8s-app == 'kube-dns') || has(dns)",
                types=["Ingress"],
                ingress=[{"action": "Allow"}],
            ),
        ),
    ),
    free(
        "a policy of kube-system with every field",
        "cluster-admin",
        post(
            f"{CALICO}/namespaces/kube-system/networkpolicies",
            calico(
                "NetworkPolicy",
                "ordinary",
                order=1,
                selector="((a == 'x)' && !has(b)) || (c in {'d', 'e'}))",
                types=["Ingress", "Egress"],
                ingress=[
                    {"action": "Allow", "source": {"nets": ["192.0.2.0/24"], "notSelector": ""}},
                    {"action": "Deny"},
                ],
                egress=[
                    {"action": "Allow", "destination": {"namespaceSelector": "all()", "notNets": ["192.0.2.1/32"]}}
                ],
            ),
        ),
    ),
    free(
        "a Kubernetes policy of kube-system",
        "cluster-admin",
        post(
            f"{KUBERNETES}/namespaces/kube-system/networkpolicies",
            {"metadata": {"name": "ordinary"}, "spec": {"podSelector": {}, "ingress": [{}]}},
        ),
    ),
    free(
        "a set of kube-system",
        "cluster-admin",
        post(
            f"{CALICO}/namespaces/kube-system/networksets", calico("NetworkSet", "ordinary", nets=["198.51.100.0/24"])
        ),
    ),
]

CALICOS_OWN = [
    row(
        "calico-node makes sure of tier default",
        "as calico-node",
        post(TIERS, calico("Tier", "default", order=1000000, defaultAction="Deny")),
        409,
        "already exists",
        dead=409,
    ),
    free(
        "calico-node makes tier adminnetworkpolicy",
        "as calico-node",
        post(TIERS, calico("Tier", "adminnetworkpolicy", order=1000, defaultAction="Pass")),
    ),
    free(
        "the operator makes its tier",
        "as tigera-operator",
        post(TIERS, calico("Tier", "calico-system", order=100, defaultAction="Deny")),
    ),
    free(
        "kube-controllers marks a tier",
        "as calico-kube-controllers",
        merge(f"{TIERS}/kube-admin", {"metadata": {"finalizers": ["projectcalico.org/tier-controller"]}}),
    ),
    free(
        "kube-controllers takes its mark back",
        "as calico-kube-controllers",
        merge(f"{TIERS}/kube-admin", {"metadata": {"finalizers": None}}),
    ),
    free(
        "the operator makes a policy in its tier",
        "as tigera-operator",
        post(
            f"{CALICO}/namespaces/kube-system/networkpolicies",
            calico(
                "NetworkPolicy",
                "calico-system.cluster-dns",
                tier="calico-system",
                order=1,
                selector="all()",
                types=["Egress"],
                egress=[{"action": "Allow"}],
            ),
        ),
    ),
    free(
        "Calico says what it runs",
        "as calico-node",
        post(f"{CALICO}/clusterinformations", calico("ClusterInformation", "ordinary", calicoVersion="v3")),
    ),
    fine(
        "the platform makes a tier behind",
        "cluster-admin",
        post(TIERS, calico("Tier", "ordinary", order=2000000, defaultAction="Pass")),
    ),
    fine(
        "the migrator renames a policy",
        "as calico-kube-controllers",
        post(POLICIES, {**local(ingress=FROM_PODS), "metadata": {"name": "default.ordinary"}}),
    ),
    fine(
        "the platform's global policy for kube-system",
        "cluster-admin",
        post(
            f"{CALICO}/globalnetworkpolicies",
            calico(
                "GlobalNetworkPolicy",
                "ordinary",
                order=700,
                namespaceSelector=BY_NAME.format("kube-system"),
                types=["Ingress"],
                ingress=[{"action": "Allow"}],
            ),
        ),
    ),
    fine(
        "the platform's global denial",
        "cluster-admin",
        post(
            f"{CALICO}/globalnetworkpolicies",
            calico(
                "GlobalNetworkPolicy",
                "ordinary",
                order=300,
                namespaceSelector='env == "dev"',
                types=["Egress"],
                egress=[{"action": "Deny", "protocol": "TCP", "destination": {"ports": [25]}}],
            ),
        ),
    ),
    fine(
        "a host endpoint of the platform",
        "cluster-admin",
        post(
            f"{CALICO}/hostendpoints",
            {
                **calico("HostEndpoint", "ordinary", node="n", interfaceName="eth0", expectedIPs=["192.0.2.7"]),
                "metadata": {"name": "ordinary", "labels": {"role": "node"}},
            },
        ),
    ),
]


CLUSTER_ROWS = {
    "namespaces": NAMESPACE_OWNERS,
    "the rest of the cluster": CLUSTER,
    "Calico's own writers and the platform": CALICOS_OWN,
}
