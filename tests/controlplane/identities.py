"""The people of the tests and what RBAC lets them do, as manifests."""

from typing import Any

ADMINISTRATOR = ("administrator", ("system:masters",))
TENANT = ("alice", ("tenants",))
ENGINEER = ("paula", ("platform-admins",))

_ALL = ["create", "get", "list", "watch", "update", "patch", "delete", "deletecollection"]
_POLICIES = [
    "networkpolicies",
    "globalnetworkpolicies",
    "stagednetworkpolicies",
    "stagedglobalnetworkpolicies",
    "stagedkubernetesnetworkpolicies",
    "networksets",
    "globalnetworksets",
]

# More than a careful platform would give: the guard must hold against tenants who have all of it.
_TENANT_RULES = [
    {"apiGroups": [""], "resources": ["namespaces"], "verbs": _ALL},
    {"apiGroups": [""], "resources": ["namespaces/status", "namespaces/finalize"], "verbs": ["get", "update", "patch"]},
    {
        "apiGroups": [""],
        "resources": ["pods", "services", "configmaps", "serviceaccounts"],
        "verbs": _ALL,
    },
    {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": _ALL},
    {"apiGroups": ["crd.projectcalico.org", "projectcalico.org"], "resources": _POLICIES, "verbs": _ALL},
    {
        "apiGroups": ["crd.projectcalico.org", "projectcalico.org"],
        "resources": ["tiers"],
        "verbs": ["get", "list", "watch"],
    },
]


def manifests() -> list[dict[str, Any]]:
    rbac = "rbac.authorization.k8s.io"
    role = {
        "apiVersion": f"{rbac}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "tenants"},
        "rules": _TENANT_RULES,
    }
    bindings = [
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": group},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": rbac, "kind": "Group", "name": group}],
        }
        for group, name in (("tenants", "tenants"), ("platform-admins", "cluster-admin"))
    ]
    return [role, *bindings]
