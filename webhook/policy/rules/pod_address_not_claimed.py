"""Rule pod-address-not-claimed."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.change import Change
from webhook.policy.finding import Complaint, Severity
from webhook.policy.identities import is_network_plugin
from webhook.policy.objects import NO_LABELS, Pod
from webhook.policy.rule import rule
from webhook.policy.world import World

ADDRESS_ANNOTATIONS = ("cni.projectcalico.org/podIP", "cni.projectcalico.org/podIPs", "vpc.amazonaws.com/pod-ips")


@rule(Change, Severity.DENY)
def pod_address_not_claimed(change: Change, world: World) -> Iterator[Complaint]:
    """
    A pod's address is written by the network plugin and the kubelet, and by nobody else.

    Why:
        Until a pod has an address in its status, Felix takes it from these annotations. Any address named there joins
        the namespace's labels: it is a peer of the whole environment.

    Fix:
        Remove the annotation.

    Bad:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - change:
            user: dora
            new:
              kind: Pod
              apiVersion: v1
              metadata: {name: a, namespace: shop, annotations: {cni.projectcalico.org/podIP: 10.240.0.9}}
              spec: {containers: []}

    Good:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - change:
            user: system:serviceaccount:kube-system:calico-cni-plugin
            new:
              kind: Pod
              apiVersion: v1
              metadata: {name: a, namespace: shop, annotations: {cni.projectcalico.org/podIP: 10.240.0.9}}
              spec: {containers: []}
    """
    pod = change.new
    if not isinstance(pod, Pod) or not world.is_managed(pod.meta.namespace) or is_network_plugin(change.user):
        return
    before = change.old.meta.annotations if isinstance(change.old, Pod) else NO_LABELS
    for key in ADDRESS_ANNOTATIONS:
        value = pod.meta.annotations.get(key)
        if value is not None and value != before.get(key):
            yield Complaint(
                f"claims address {value} by annotation {key}: any address there becomes a peer of the environment",
                f"metadata.annotations[{key}]",
                fix=f"remove the annotation {key}",
            )
