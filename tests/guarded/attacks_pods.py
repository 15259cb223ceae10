"""Attacks by pods' annotations, on Calico's definitions, and by who one says one is."""

from __future__ import annotations

from typing import Any

from tests.guarded.attempt import CALICO, DEV, NAMESPACES, delete, held, merge, operations, post, put, row

PODS = f"{NAMESPACES}/{DEV}/pods"
POD = f"{PODS}/innocent"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
POLICY_DEFINITION = f"{DEFINITIONS}/networkpolicies.crd.projectcalico.org"
SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
CLAIMED, KEPT = "[pod-address-not-claimed]", "[calico-definitions-kept]"
IP, IPS, AWS = "cni.projectcalico.org/podIP", "cni.projectcalico.org/podIPs", "vpc.amazonaws.com/pod-ips"


def claiming(key: str = IP, value: str = "203.0.113.9/32") -> dict[str, Any]:
    return {"metadata": {"annotations": {key: value}}}


def pod(key: str = IP) -> dict[str, Any]:
    spec = {"containers": [{"name": "a", "image": "registry.example/a"}]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "attack", **claiming(key)["metadata"]},
        "spec": spec,
    }


def binding(name: str) -> dict[str, Any]:
    target = {"apiVersion": "v1", "kind": "Node", "name": "node-1"}
    return {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": name, **claiming()["metadata"]},
        "target": target,
    }


ADD = {"op": "add", "path": "/metadata/annotations", "value": {IP: "203.0.113.9/32"}}

ADDRESSES = [
    held("born with podIP", "tenant", post(PODS, pod()), CLAIMED),
    held("born with podIPs", "tenant", post(PODS, pod(IPS)), CLAIMED),
    held("born with pod-ips", "tenant", post(PODS, pod(AWS)), CLAIMED),
    held(
        "born by generateName",
        "tenant",
        post(PODS, {**pod(), "metadata": {"generateName": "a-", **claiming()["metadata"]}}),
        CLAIMED,
    ),
    held("born in a ReplicaSet", "as replicaset controller", post(PODS, pod()), CLAIMED),
    held("born by masters", "administrator", post(PODS, pod()), CLAIMED),
    held("born by dry run", "tenant", post(f"{PODS}?dryRun=All", pod()), CLAIMED),
    held("podIP by merge patch", "tenant", merge(POD, claiming()), CLAIMED),
    held("podIP by JSON patch", "tenant", operations(POD, ADD), CLAIMED),
    held("podIP, empty", "tenant", merge(POD, claiming(IP, "")), CLAIMED),
    held("podIPs by PUT", "tenant", put(POD, claiming(IPS)), CLAIMED),
    held("podIP through /status", "cluster-admin", merge(f"{POD}/status", claiming()), CLAIMED),
    held("podIP through /status by PUT", "cluster-admin", put(f"{POD}/status", claiming()), CLAIMED),
    held("podIP as a kubelet by name alone", "as kubelet by name alone", merge(f"{POD}/status", claiming()), CLAIMED),
    held("podIP as a kubelet by group alone", "as kubelet by group alone", merge(f"{POD}/status", claiming()), CLAIMED),
    held(
        "podIP by a binding of the pod",
        "cluster-admin",
        post(f"{POD}/binding", binding("innocent")),
        CLAIMED,
        kept=(POD,),
    ),
    held(
        "podIP by a binding",
        "cluster-admin",
        post(f"{NAMESPACES}/{DEV}/bindings", binding("innocent")),
        CLAIMED,
        kept=(POD,),
    ),
    row("podIP through /resize", "cluster-admin", merge(f"{POD}/resize", claiming()), 200, dead=200),
    row(
        "podIP through /ephemeralcontainers",
        "cluster-admin",
        merge(f"{POD}/ephemeralcontainers", claiming()),
        200,
        dead=200,
    ),
]

DEFINED = [
    held("the definition of policies deleted", "cluster-admin", delete(POLICY_DEFINITION), KEPT),
    held("the definition of policies deleted by masters", "administrator", delete(POLICY_DEFINITION), KEPT),
    held(
        "the definition of global policies orphaned",
        "cluster-admin",
        delete(f"{DEFINITIONS}/globalnetworkpolicies.crd.projectcalico.org", propagationPolicy="Orphan"),
        KEPT,
    ),
    held(
        "the definition of tiers deleted", "cluster-admin", delete(f"{DEFINITIONS}/tiers.crd.projectcalico.org"), KEPT
    ),
    held(
        "the definition of cluster policies deleted",
        "cluster-admin",
        delete(f"{DEFINITIONS}/clusternetworkpolicies.policy.networking.k8s.io"),
        KEPT,
    ),
    held("all definitions as a collection", "cluster-admin", delete(DEFINITIONS), KEPT),
    held(
        "the definition of policies deleted as the API server",
        "as API server",
        delete(POLICY_DEFINITION),
        KEPT,
        kept=(POLICY_DEFINITION, f"{CALICO}/networkpolicies"),
    ),
    held(
        "the definition of policies deleted as the namespace controller",
        "as namespace controller",
        delete(POLICY_DEFINITION),
        KEPT,
    ),
    held("Calico's APIService deleted", "cluster-admin", delete(f"{SERVICES}/v3.projectcalico.org"), KEPT),
    held("Calico's APIService deleted by masters", "administrator", delete(f"{SERVICES}/v3.projectcalico.org"), KEPT),
]

POD_ATTACKS = {"pods' addresses": ADDRESSES, "Calico's definitions": DEFINED}
