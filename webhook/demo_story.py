"""Demo story: the article's pods, policies and outcome, and who reaches whom by the verdict; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from webhook.policy.endpoints import PodRef
from webhook.policy.flows import Flow
from webhook.policy.parse import parse_policy
from webhook.policy.ranges import PROTOCOLS
from webhook.policy.traffic import verdict
from webhook.policy.world import World, frozen

SOURCES = ("development", "test", "default")
WHOAMI = PodRef("development", "whoami-5d4bfbc5d7-cph77")
DNS = PodRef("kube-system", "coredns-7c7f9b7d4-x2x2q")
REACHES, NO_NAME, NO_ANSWER = "reaches", "bad address", "timed out"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: what is in force, and the outcome from each source as wget says it."""

    title: str
    cells: tuple[str, ...]

    @classmethod
    def of(cls, title: str, world: World) -> Row:
        return cls(title, tuple(_outcome(PodRef(source, "testtool"), world) for source in SOURCES))


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the article: the policies of namespace development that are in force by then."""

    title: str
    policies: tuple[str, ...]

    def play(self, world: World) -> Row:
        chosen = {
            ref: policy
            for ref, policy in world.policies.items()
            if ref.namespace == "development" and ref.name in self.policies
        }
        if "test-ns-allow" in self.policies:
            allow = parse_policy(allow_from_test())
            chosen[allow.ref] = allow
        return Row.of(self.title, replace(world, policies=frozen(chosen)))


_DENY, _DNS, _SAME = "default-deny", "dns-allow", "development-ns-allow"
STAGES = (
    Step("no policy at all", ()),
    Step("default-deny", (_DENY,)),
    Step("+ dns-allow", (_DENY, _DNS)),
    Step("+ development-ns-allow", (_DENY, _DNS, _SAME)),
    Step("+ test-ns-allow", (_DENY, _DNS, _SAME, "test-ns-allow")),
)
# What the article printed; in its first step it asked from development and test only.
ARTICLE = (
    Row("no policy at all", (REACHES, REACHES, REACHES)),
    Row("default-deny", (NO_NAME, NO_ANSWER, NO_ANSWER)),
    Row("+ dns-allow", (NO_ANSWER, NO_ANSWER, NO_ANSWER)),
    Row("+ development-ns-allow", (REACHES, NO_ANSWER, NO_ANSWER)),
    Row("+ test-ns-allow", (REACHES, REACHES, NO_ANSWER)),
)
ISOLATED = (
    Row("ingress opened in development", (REACHES, NO_ANSWER, NO_ANSWER)),
    Row("and egress opened in test", (REACHES, REACHES, NO_ANSWER)),
)


def _outcome(source: PodRef, world: World) -> str:
    """A name is looked up first, then the service's pod is called; both have to pass."""
    if not verdict(Flow(source, DNS, PROTOCOLS["UDP"], 53), world).allowed:
        return NO_NAME
    return REACHES if verdict(Flow(source, WHOAMI, PROTOCOLS["TCP"], 80), world).allowed else NO_ANSWER


def _policy(namespace: str, name: str, order: float, **rules: Any) -> dict[str, Any]:
    return {
        "apiVersion": "crd.projectcalico.org/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"order": order, "selector": "all()", **rules},
    }


def allow_from_test(*, name: str = "test-ns-allow", order: float = 600) -> dict[str, Any]:
    """The article's last policy: ingress to development from every pod of environment test."""
    rule = {"action": "Allow", "protocol": "TCP", "source": {"namespaceSelector": "env == 'test'"}}
    return _policy("development", name, order, types=["Ingress"], ingress=[rule])


def allow_to_development() -> dict[str, Any]:
    """The other side, which the article did not need: egress from test to environment dev."""
    rule = {"action": "Allow", "protocol": "TCP", "destination": {"namespaceSelector": "env == 'dev'"}}
    return _policy("test", "development-ns-egress", 600, types=["Egress"], egress=[rule])


def whoami_pods() -> tuple[dict[str, Any], ...]:
    """The pods of the article, with addresses: whoami, a testtool in each namespace, and the cluster's DNS."""
    pods = [(WHOAMI.namespace, WHOAMI.name, {"app": "whoami"}), (DNS.namespace, DNS.name, {"k8s-app": "kube-dns"})]
    pods += [(source, "testtool", {"run": "testtool"}) for source in SOURCES]
    return tuple(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"namespace": namespace, "name": name, "labels": labels},
            "spec": {"nodeName": "node-1", "containers": [{"name": "main"}]},
            "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]},
        }
        for (namespace, name, labels), address in zip(pods, (f"10.240.0.{n}" for n in range(11, 99)), strict=False)
    )
