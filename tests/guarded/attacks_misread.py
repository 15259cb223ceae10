"""Attacks by what Calico misreads, by sets and host endpoints that pass for pods, and from exempt namespaces."""

from __future__ import annotations

import json

from tests.guarded.attempt import CALICO, DEV, PROD, held, merge, post, refused
from tests.guarded.policies import (
    ACCOUNTS,
    ALONE,
    BAND,
    BLANK,
    CEILING,
    CIDRS,
    EVERYTHING,
    FORGED,
    HONEST,
    LITERAL,
    OUTSIDE,
    PARSE,
    POLICIES,
    PORTS,
    a_set,
    annotated,
    calico,
    let_in,
    local,
    of_all,
    ours,
)

MISREAD = [
    ours("a selector that leaves its namespace", PARSE, selector="all()) || (all()", ingress=EVERYTHING),
    of_all(
        "a namespaceSelector that leaves its clause",
        PARSE,
        namespaceSelector="all()) || (all()",
        ingress=[{"action": "Deny"}],
    ),
    of_all("a namespaceSelector that does not parse", PARSE, namespaceSelector="env ==", ingress=[{"action": "Deny"}]),
    of_all(
        "a serviceAccountSelector that does not parse",
        PARSE,
        serviceAccountSelector="a = 'b'",
        ingress=[{"action": "Deny"}],
    ),
    let_in("a ServiceAccount's name with a quote", ACCOUNTS, serviceAccounts={"names": ["a'"]}),
    let_in("a ServiceAccount's name that goes on", ACCOUNTS, serviceAccounts={"names": ["a'} || all() || a in {'b"]}),
    let_in("a blank notSelector, Felix exits", BLANK, selector="app == 'a'", notSelector=" "),
    let_in("an empty net, Felix exits", CIDRS, nets=[""]),
    let_in("an empty notNet", CIDRS, nets=["203.0.113.0/24"], notNets=[""]),
    let_in("a net with a mask", CIDRS, nets=["10.0.0.0/255.0.0.0"]),
    let_in("a net with a zone", CIDRS, nets=["fe80::1%eth0/64"]),
    let_in("a net that is none", CIDRS, nets=["x"]),
    let_in("a net with a leading zero", CIDRS, nets=["010.0.0.0/8"]),
    ours("a blank selector", BLANK, selector=" ", ingress=[{"action": "Deny"}]),
    ours("ports without protocol", PORTS, ingress=[{"action": "Deny", "destination": {"ports": [80]}}]),
    ours("port 0", PORTS, ingress=[{"action": "Deny", "protocol": "TCP", "destination": {"ports": [0]}}]),
    ours("a protocol that is none", PORTS, ingress=[{"action": "Deny", "protocol": "foo"}]),
    let_in("all() inside quotes", LITERAL, namespaceSelector="env == 'all()'"),
    let_in("global() not alone", ALONE, namespaceSelector="global() && env == 'dev'"),
    refused("another name in Calico's annotation", "tenant", post(POLICIES, annotated(name="default-deny")), HONEST),
    refused(
        "another namespace in Calico's annotation",
        "tenant",
        post(POLICIES, annotated(name="attack", namespace="kube-system")),
        HONEST,
    ),
    refused(
        "a name by generateName, open",
        "tenant",
        post(POLICIES, {**local(ingress=EVERYTHING), "metadata": {"generateName": "attack-"}}),
        CEILING,
    ),
    refused("an open policy by dry run", "tenant", post(f"{POLICIES}?dryRun=All", local(ingress=EVERYTHING)), CEILING),
    refused("an open policy by masters", "administrator", post(POLICIES, local(ingress=EVERYTHING)), CEILING),
    refused("an open policy as our webhook", "as our webhook", post(POLICIES, local(ingress=EVERYTHING)), CEILING),
    refused(
        "an open policy as calico-apiserver", "as calico-apiserver", post(POLICIES, local(ingress=EVERYTHING)), CEILING
    ),
    refused(
        "an open policy as tigera-operator", "as tigera-operator", post(POLICIES, local(ingress=EVERYTHING)), CEILING
    ),
    refused(
        "an open policy as the namespace controller",
        "as namespace controller",
        post(POLICIES, local(ingress=EVERYTHING)),
        CEILING,
    ),
    refused(
        "a good policy opened by an update",
        "tenant",
        merge(f"{POLICIES}/own", {"spec": {"ingress": EVERYTHING}}),
        CEILING,
    ),
    refused(
        "a good policy opened by its selector",
        "tenant",
        merge(
            f"{POLICIES}/own",
            {"spec": {"ingress": [{"action": "Allow", "source": {"selector": "all()", "namespaceSelector": "all()"}}]}},
        ),
        CEILING,
    ),
    refused(
        "a good policy moved behind the baseline", "tenant", merge(f"{POLICIES}/own", {"spec": {"order": 5001}}), BAND
    ),
]

FORGED_K8S = {"projectcalico.org/orchestrator": "k8s", "pcns.env": "dev"}
SETS = [
    a_set("a set of the pods' addresses", OUTSIDE, ["10.240.0.0/24"], {"role": "db"}),
    a_set("a set of everything", OUTSIDE, ["0.0.0.0/0"], {"role": "db"}),
    a_set("a set that passes for pods of dev", FORGED, ["203.0.113.0/24"], FORGED_K8S),
    a_set("a set that passes for a pod", FORGED, ["203.0.113.0/24"], {"projectcalico.org/orchestrator": "k8s"}),
    a_set("a set of another namespace", FORGED, ["203.0.113.0/24"], {"projectcalico.org/namespace": PROD}),
    a_set("a set of another ServiceAccount", FORGED, ["203.0.113.0/24"], {"pcsa.team": "a"}),
    a_set(
        "labels in Calico's annotation",
        FORGED,
        ["203.0.113.0/24"],
        annotations={"projectcalico.org/metadata": json.dumps({"labels": FORGED_K8S})},
    ),
    a_set("an empty net in a set, Felix exits", CIDRS, [""]),
    a_set("an address written as IPv6 in a set", "", ["::ffff:10.240.0.0/112"]),
    refused(
        "a global set that passes for pods",
        "tenant",
        post(
            f"{CALICO}/globalnetworksets",
            {
                **calico("GlobalNetworkSet", nets=["203.0.113.0/24"]),
                "metadata": {"name": "attack", "labels": FORGED_K8S},
            },
        ),
        FORGED,
    ),
    refused(
        "a global set of the pods' addresses",
        "tenant",
        post(f"{CALICO}/globalnetworksets", calico("GlobalNetworkSet", nets=["10.240.0.0/16"])),
        OUTSIDE,
    ),
    refused(
        "a host endpoint that passes for a pod",
        "cluster-admin",
        post(
            f"{CALICO}/hostendpoints",
            {
                **calico("HostEndpoint", node="n", interfaceName="*", expectedIPs=["203.0.113.9"]),
                "metadata": {"name": "attack", "labels": FORGED_K8S},
            },
        ),
        FORGED,
    ),
    refused(
        "a host endpoint with a pod's address",
        "cluster-admin",
        post(f"{CALICO}/hostendpoints", calico("HostEndpoint", node="n", expectedIPs=["10.240.0.9"])),
        OUTSIDE,
    ),
    refused(
        "a set labelled afterwards",
        "tenant",
        merge(f"{CALICO}/namespaces/{DEV}/networksets/partners", {"metadata": {"labels": FORGED_K8S}}),
        FORGED,
    ),
    refused(
        "a set widened afterwards",
        "tenant",
        merge(f"{CALICO}/namespaces/{DEV}/networksets/partners", {"spec": {"nets": ["0.0.0.0/0"]}}),
        OUTSIDE,
    ),
    refused(
        "a set labelled into a policy's reach",
        "tenant",
        merge(f"{CALICO}/namespaces/{DEV}/networksets/partners", {"metadata": {"labels": {"role": "db"}}}),
        CEILING,
    ),
    refused(
        "a policy that reaches a set",
        "tenant",
        post(POLICIES, local(ingress=[{"action": "Allow", "source": {"selector": "role == 'partner'"}}])),
        CEILING,
    ),
]

KUBE_SYSTEM = f"{CALICO}/namespaces/kube-system"
FROM_EXEMPT = [
    held(
        "from kube-system: a blank notSelector, Felix exits",
        "tenant",
        post(
            f"{KUBE_SYSTEM}/networkpolicies",
            local(ingress=[{"action": "Allow", "source": {"selector": "app == 'a'", "notSelector": " "}}]),
        ),
        BLANK,
    ),
    held(
        "from kube-system: an empty net in a rule, Felix exits",
        "tenant",
        post(
            f"{KUBE_SYSTEM}/networkpolicies",
            local(types=["Egress"], egress=[{"action": "Deny", "destination": {"nets": [""]}}]),
        ),
        BLANK,
    ),
    held(
        "from kube-system: an empty net in a set, Felix exits",
        "tenant",
        post(f"{KUBE_SYSTEM}/networksets", calico("NetworkSet", nets=["198.51.100.0/24", ""])),
        CIDRS,
    ),
    held(
        "from kube-system: a selector that leaves its namespace",
        "tenant",
        post(f"{KUBE_SYSTEM}/networkpolicies", local(selector="all()) || (all()", ingress=EVERYTHING)),
        PARSE,
    ),
    held(
        "from kube-system: a serviceAccountSelector that leaves it",
        "tenant",
        post(f"{KUBE_SYSTEM}/networkpolicies", local(serviceAccountSelector="all()) || (all()", ingress=EVERYTHING)),
        PARSE,
    ),
    held(
        "from kube-system: a set that passes for pods of dev",
        "tenant",
        post(
            f"{KUBE_SYSTEM}/networksets",
            {**calico("NetworkSet", nets=["0.0.0.0/0"]), "metadata": {"name": "attack", "labels": FORGED_K8S}},
        ),
        FORGED,
    ),
    held(
        "from kube-system: a set that passes for the DNS pods",
        "tenant",
        post(
            f"{KUBE_SYSTEM}/networksets",
            {
                **calico("NetworkSet", nets=["203.0.113.9/32"]),
                "metadata": {
                    "name": "attack",
                    "labels": {"k8s-app": "kube-dns", "projectcalico.org/orchestrator": "k8s"},
                },
            },
        ),
        FORGED,
    ),
    held(
        "from kube-system: the labels in Calico's annotation",
        "tenant",
        post(
            f"{KUBE_SYSTEM}/networksets",
            {
                **calico("NetworkSet", nets=["203.0.113.9/32"]),
                "metadata": {
                    "name": "attack",
                    "annotations": {"projectcalico.org/metadata": json.dumps({"labels": FORGED_K8S})},
                },
            },
        ),
        FORGED,
    ),
]

MISREAD_ATTACKS = {
    "policies that are misread": MISREAD,
    "sets and host endpoints": SETS,
    "from an exempt namespace": FROM_EXEMPT,
}
