"""Cases of pod-address-not-claimed: who writes an address, and where."""

from typing import Any

from tests.policy.table import case, change, ns, table
from webhook.policy.rules.pod_address_not_claimed import pod_address_not_claimed

SHOP = ns()
KEY = "cni.projectcalico.org/podIP"
SAID = f"claims address 10.240.0.9 by annotation {KEY}: any address there becomes a peer of the environment"


def pod(namespace: str = "shop", **annotations: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a", "namespace": namespace, "annotations": annotations},
    }


def claim(address: str = "10.240.0.9", namespace: str = "shop", key: str = KEY) -> dict[str, Any]:
    return pod(namespace, **{key: address})


CASES = [
    case("none", [SHOP], [], on=change(None, pod(a="b"))),
    case("at creation", [SHOP], [SAID], on=change(None, claim())),
    case("later", [SHOP], [SAID], on=change(pod(), claim())),
    case("by the status", [SHOP], [SAID], on=change(pod(), claim(), subresource="status")),
    case("another address", [SHOP], [SAID], on=change(claim("10.240.0.8"), claim())),
    case("untouched", [SHOP], [], on=change(claim(), claim())),
    case("taken away", [SHOP], [], on=change(claim(), pod())),
    case(
        "another annotation of the plugin", [SHOP], [], on=change(None, claim(key="cni.projectcalico.org/containerID"))
    ),
    case(
        "several",
        [SHOP],
        [
            "claims address 10.240.0.9 by annotation cni.projectcalico.org/podIPs: any address there "
            "becomes a peer of the environment",
        ],
        on=change(None, claim(key="cni.projectcalico.org/podIPs")),
    ),
    case(
        "by Amazon's",
        [SHOP],
        [
            "claims address 10.240.0.9 by annotation vpc.amazonaws.com/pod-ips: any address there becomes "
            "a peer of the environment",
        ],
        on=change(None, claim(key="vpc.amazonaws.com/pod-ips")),
    ),
    case(
        "by the plugin",
        [SHOP],
        [],
        on=change(pod(), claim(), user="system:serviceaccount:calico-system:calico-cni-plugin"),
    ),
    case(
        "by an account of its name elsewhere",
        [SHOP],
        [SAID],
        on=change(pod(), claim(), user="system:serviceaccount:shop:calico-cni-plugin"),
    ),
    case("by a kubelet", [SHOP], [], on=change(pod(), claim(), user="system:node:n1", groups=["system:nodes"])),
    case("by who has only a kubelet's name", [SHOP], [SAID], on=change(pod(), claim(), user="system:node:n1")),
    case("by who has only a kubelet's group", [SHOP], [SAID], on=change(pod(), claim(), groups=["system:nodes"])),
    case("by system:masters", [SHOP], [SAID], on=change(pod(), claim(), groups=["system:masters"])),
    case("in an exempt namespace", [SHOP], [], on=change(None, claim(namespace="kube-system"))),
]
test_pod_address_not_claimed = table(pod_address_not_claimed, CASES)
