"""Settings: what the platform team decides, as one immutable value; reading the file is settings_file.py's."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from webhook.policy.ranges import Cidr

UNASSIGNED = "unassigned"
# Our own namespace: its pods answer the API server, so nothing of ours may ever wait for them there.
OWN_NAMESPACE = "isolation-baseline"


class Mode(Enum):
    """What happens to a finding: recorded, said as a kubectl warning, or denied."""

    AUDIT = "audit"
    WARN = "warn"
    ENFORCE = "enforce"


class Unmatched(Enum):
    """What becomes of a namespace that fits no environment."""

    ISOLATE = "isolate"
    DENY = "deny"


class Reach(Enum):
    """How far the same-environment allow reaches."""

    ENVIRONMENT = "environment"
    NAMESPACE = "namespace"
    NONE = "none"


class DenyForm(Enum):
    """Whether default-deny carries explicit Deny rules, or none as in the article."""

    EXPLICIT = "explicit"
    RULELESS = "ruleless"


@dataclass(frozen=True, slots=True)
class Identities:
    """Users and groups by exact name; empty is nobody."""

    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment: name patterns (`*` is any run of characters), mode, and who may claim it (None: anyone)."""

    name: str
    names: tuple[str, ...] = ()
    mode: Mode = Mode.ENFORCE
    claimable_by: Identities | None = None


@dataclass(frozen=True, slots=True)
class PermitPort:
    """A port range of a permit; protocol is the IANA number."""

    protocol: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Permit:
    """Pods of environment `source` may be allowed to reach pods of environment `destination`; no ports is any port."""

    source: str
    destination: str
    ports: tuple[PermitPort, ...] = ()


class SharedDirection(Enum):
    """Ingress: the shared namespace may reach managed pods. Egress: managed pods may reach it."""

    INGRESS = "ingress"
    EGRESS = "egress"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class SharedNamespace:
    """A namespace that every environment may be opened to."""

    name: str
    direction: SharedDirection


@dataclass(frozen=True, slots=True)
class Cidrs:
    """Address ranges of the cluster (pods, nodes) and those outside that tenants may open (ingress, egress)."""

    pods: tuple[Cidr, ...] = ()
    nodes: tuple[Cidr, ...] = ()
    ingress: tuple[Cidr, ...] = ()
    egress: tuple[Cidr, ...] = ()


@dataclass(frozen=True, slots=True)
class DnsServers:
    """Where the cluster's DNS pods are: a namespace by name and a Calico selector over pod labels."""

    namespace: str = "kube-system"
    selector: str = "k8s-app in {'coredns', 'kube-dns'}"


@dataclass(frozen=True, slots=True)
class Dns:
    """The floor: DNS pods, node-local addresses, ports (UDP and TCP both)."""

    servers: tuple[DnsServers, ...] = (DnsServers(),)
    node_local: tuple[Cidr, ...] = ()
    ports: tuple[int, ...] = (53,)


@dataclass(frozen=True, slots=True)
class Orders:
    """Policy orders: the tenants' band (both ends inclusive) and those of the baseline and the isolation floor."""

    tenants: tuple[float, float] = (100.0, 3999.0)
    same_environment: float = 500.0
    dns: float = 4000.0
    deny: float = 5000.0
    floor: float = 6000.0


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the platform team decides. `generation` is a short digest of the file, for logs and evidence."""

    environment_label: str = "env"
    environments: tuple[Environment, ...] = ()
    unmatched: Unmatched = Unmatched.ISOLATE
    permits: tuple[Permit, ...] = ()
    shared_namespaces: tuple[SharedNamespace, ...] = ()
    cidrs: Cidrs = Cidrs()
    same_environment: Reach = Reach.ENVIRONMENT
    deny_form: DenyForm = DenyForm.EXPLICIT
    dns: Dns = Dns()
    orders: Orders = Orders()
    tenant_tiers: tuple[str, ...] = ("default",)
    exempt_namespaces: frozenset[str] = frozenset(
        {
            "kube-system",
            "kube-public",
            "kube-node-lease",
            "calico-system",
            "calico-apiserver",
            "tigera-operator",
            OWN_NAMESPACE,
        }
    )
    break_glass: Identities = Identities()
    # Labels by which others (AKS, Gatekeeper) take a namespace out of webhooks' sight.
    exempting_labels: tuple[str, ...] = (
        "admission.gatekeeper.sh/ignore",
        "control-plane",
        "kubernetes.azure.com/managedby",
    )
    unassigned_mode: Mode = Mode.ENFORCE
    # Whether pods of a new namespace wait for its baseline; without, the isolation floor alone holds them till then.
    pod_gate: bool = False
    contact: str = "your platform team"
    docs_url: str = ""
    generation: str = ""

    def environment(self, name: str) -> Environment | None:
        return next((e for e in self.environments if e.name == name), None)
