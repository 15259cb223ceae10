"""Identities: the accounts of Kubernetes and Calico that may do one thing that nobody else may; no rule is here."""

from __future__ import annotations

from webhook.policy.objects import User

# Who writes the annotations from which Felix takes a pod's address: network plugins by account, kubelets by group.
NETWORK_PLUGINS = frozenset(
    {
        "eks:vpc-resource-controller",
        "system:serviceaccount:calico-system:calico-cni-plugin",
        "system:serviceaccount:calico-system:calico-node",
        "system:serviceaccount:kube-system:aws-node",
        "system:serviceaccount:kube-system:calico-cni-plugin",
        "system:serviceaccount:kube-system:calico-node",
        "system:serviceaccount:kube-system:canal",
        "system:serviceaccount:kube-system:vpc-resource-controller",
    }
)
NODE_GROUP = "system:nodes"
NODE_PREFIX = "system:node:"
# Calico 3.32 renames `default.X` to `X`: it creates the second and deletes the first (policymigrate.go).
POLICY_MIGRATORS = frozenset(
    {
        "system:serviceaccount:calico-system:calico-kube-controllers",
        "system:serviceaccount:kube-system:calico-kube-controllers",
    }
)
# The second is its identity where the controller manager runs without an account for each controller.
GARBAGE_COLLECTORS = frozenset(
    {"system:serviceaccount:kube-system:generic-garbage-collector", "system:kube-controller-manager"}
)
NAMESPACE_CONTROLLERS = frozenset(
    {"system:serviceaccount:kube-system:namespace-controller", "system:kube-controller-manager"}
)
# What the API server puts on an object that waits for the collector.
DELETION_FINALIZERS = frozenset({"foregroundDeletion", "orphan"})


def is_network_plugin(user: User) -> bool:
    """Say whether a user gives pods their addresses; a kubelet has the name and the group, from its certificate."""
    return user.name in NETWORK_PLUGINS or (user.name.startswith(NODE_PREFIX) and NODE_GROUP in user.groups)
