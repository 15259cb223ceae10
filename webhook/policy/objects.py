"""Objects: what the rules and the evaluator see of the cluster, as immutable values; reading them is parse.py's."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from webhook.policy.ranges import Cidr, PortSet
from webhook.policy.selectors import Selector

TIER_DEFAULT = "default"
# Calico fills a tier without order with this on every path (libcalico-go/lib/resources/tier.go).
DEFAULT_TIER_ORDER = 1_000_000.0
KUBERNETES_POLICY_ORDER = 1_000.0
NO_ORDER = math.inf


class Labels(Mapping[str, str]):
    """An immutable, hashable map of strings, for labels and annotations."""

    __slots__ = ("_hash", "_map")

    def __init__(self, source: Mapping[str, str] | None = None) -> None:
        self._map: dict[str, str] = dict(source or {})
        self._hash: int | None = None

    def __getitem__(self, key: str) -> str:
        return self._map[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._map)

    def __len__(self) -> int:
        return len(self._map)

    def __contains__(self, key: object) -> bool:
        return key in self._map

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(frozenset(self._map.items()))
        return self._hash

    def __repr__(self) -> str:
        return f"Labels({self._map!r})"


NO_LABELS = Labels()


class InvalidObject(Exception):  # noqa: N818  # the word says it already
    """An object cannot be read; carries the path of the first field at fault and what was expected there."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """The address of one object: API group (no version), kind, namespace (empty when cluster-scoped) and name."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        place = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {place}"


@dataclass(frozen=True, slots=True)
class OwnerReference:
    """One entry of metadata.ownerReferences."""

    api_version: str
    kind: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Meta:
    """The metadata that any rule looks at; `deleting` is the presence of deletionTimestamp, `created` RFC 3339 text."""

    name: str
    namespace: str = ""
    uid: str = ""
    labels: Labels = NO_LABELS
    annotations: Labels = NO_LABELS
    owner_references: tuple[OwnerReference, ...] = ()
    finalizers: tuple[str, ...] = ()
    deleting: bool = False
    created: str = ""
    resource_version: str = ""


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace; `spec_finalizers` are those of spec, which hold its content until it is emptied."""

    meta: Meta
    spec_finalizers: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.meta.name

    @property
    def ref(self) -> Ref:
        return Ref("", "Namespace", "", self.meta.name)


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A ServiceAccount, for the labels that its pods inherit as pcsa.*."""

    meta: Meta


@dataclass(frozen=True, slots=True)
class NamedPort:
    """A container port that carries a name; protocol is the IANA number."""

    name: str
    protocol: int
    port: int


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod; `addresses` are its status addresses as text, of either family, empty until it has one."""

    meta: Meta
    addresses: tuple[str, ...] = ()
    service_account: str = "default"
    host_network: bool = False
    named_ports: tuple[NamedPort, ...] = ()

    @property
    def ref(self) -> Ref:
        return Ref("", "Pod", self.meta.namespace, self.meta.name)


@dataclass(frozen=True, slots=True)
class NetworkSet:
    """A NetworkSet, or a GlobalNetworkSet when the namespace is empty; `nets` as written."""

    meta: Meta
    ref: Ref
    nets: tuple[str, ...] = ()
    defects: tuple[Defect, ...] = ()


@dataclass(frozen=True, slots=True)
class HostEndpoint:
    """A HostEndpoint; `addresses` are spec.expectedIPs as written; `profiles` such as kns.x lend it their labels."""

    meta: Meta
    ref: Ref
    addresses: tuple[str, ...] = ()
    defects: tuple[Defect, ...] = ()
    named_ports: tuple[NamedPort, ...] = ()
    profiles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceEndpoints:
    """The (address, protocol number, port) triples behind a Service; without a selector somebody wrote them by hand."""

    namespace: str
    name: str
    has_selector: bool
    endpoints: tuple[tuple[str, int, int], ...] = ()


class Action(Enum):
    """What a rule does; Log does not end the walk, Pass leaves the tier."""

    ALLOW = "Allow"
    DENY = "Deny"
    LOG = "Log"
    PASS = "Pass"  # noqa: S105  # an action


class Direction(Enum):
    """Which hook of an endpoint a rule governs."""

    INGRESS = "Ingress"
    EGRESS = "Egress"


@dataclass(frozen=True, slots=True)
class Tier:
    """A tier; an absent order has been filled with 1,000,000 and `order_declared` is then False."""

    name: str
    order: float = DEFAULT_TIER_ORDER
    default_action: Action = Action.DENY
    order_declared: bool = True
    ref: Ref = Ref("projectcalico.org", "Tier", "", "")
    meta: Meta = Meta("")


class DefectKind(Enum):
    """The ways in which what is written is not what Calico enforces; one rule of the guard speaks for each."""

    SELECTOR_SYNTAX = "selector-syntax"  # does not parse on its own
    SELECTOR_BLANK = "selector-blank"  # spaces only
    SELECTOR_REWRITTEN = "selector-rewritten"  # a literal holds all() or global()
    SELECTOR_GLOBAL = "selector-global"  # global() where it means nothing, or not alone
    SERVICE_ACCOUNT_NAME = "service-account-name"  # not a DNS name
    NET_SYNTAX = "net-syntax"  # not a strict CIDR
    PORT_SYNTAX = "port-syntax"  # port, protocol or combination that Calico drops the policy for
    RULE_SHAPE = "rule-shape"  # any other combination for which Felix ignores rule or policy
    METADATA_ANNOTATION = "metadata-annotation"  # projectcalico.org/metadata disagrees with the object


@dataclass(frozen=True, slots=True)
class Defect:
    """One place where what is written is not what is enforced: the field's path, the text there, one line about it."""

    kind: DefectKind
    path: str
    text: str
    message: str


@dataclass(frozen=True, slots=True)
class PortMatch:
    """The ports of an entity: numbers as a set, names as written. An empty match matches nothing."""

    numbers: PortSet
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceMatch:
    """A `services` clause; where a namespaced policy names no namespace it is empty, and Calico matches nothing."""

    name: str
    namespace: str


@dataclass(frozen=True, slots=True)
class EntityText:
    """An entity's selectors as written, for messages and fixes; None where absent."""

    selector: str | None = None
    not_selector: str | None = None
    namespace_selector: str | None = None
    service_account_selector: str | None = None
    service_account_names: tuple[str, ...] = ()
    nets: tuple[str, ...] | None = None
    not_nets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entity:
    """
    One side of a rule as Felix compiles it (libcalico-go updateprocessors/rules.go, getEndpointSelector).

    `selector` is the effective positive selector over endpoint labels: namespaceSelector prefixed with pcns.,
    serviceAccounts with pcsa., the namespace clause of a namespaced policy added. None is any peer.
    `not_selector` is what is left to negate beside it. `nets` None is no constraint; an empty tuple never occurs.
    """

    selector: Selector | None = None
    not_selector: Selector | None = None
    nets: tuple[Cidr, ...] | None = None
    not_nets: tuple[Cidr, ...] = ()
    ports: PortMatch | None = None
    not_ports: PortMatch | None = None
    service: ServiceMatch | None = None
    text: EntityText = EntityText()


ANY_ENTITY = Entity()


@dataclass(frozen=True, slots=True)
class IcmpMatch:
    """An icmp clause; None is any."""

    type: int | None = None
    code: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; `path` is where it stands (`spec.ingress[0]`), protocols are IANA numbers, None is any."""

    action: Action
    path: str
    source: Entity = ANY_ENTITY
    destination: Entity = ANY_ENTITY
    protocol: int | None = None
    not_protocol: int | None = None
    icmp: IcmpMatch | None = None
    not_icmp: IcmpMatch | None = None
    ip_version: int | None = None
    has_http: bool = False


class PolicyKind(Enum):
    """The kind word that Calico's tie break compares (felix/calc/policy_sorter.go), staged kinds included."""

    NETWORK_POLICY = "NetworkPolicy"
    GLOBAL_NETWORK_POLICY = "GlobalNetworkPolicy"
    KUBERNETES_NETWORK_POLICY = "KubernetesNetworkPolicy"
    CLUSTER_NETWORK_POLICY = "KubernetesClusterNetworkPolicy"
    ADMIN_NETWORK_POLICY = "KubernetesAdminNetworkPolicy"
    BASELINE_ADMIN_NETWORK_POLICY = "KubernetesBaselineAdminNetworkPolicy"
    STAGED_NETWORK_POLICY = "StagedNetworkPolicy"
    STAGED_GLOBAL_NETWORK_POLICY = "StagedGlobalNetworkPolicy"
    STAGED_KUBERNETES_NETWORK_POLICY = "StagedKubernetesNetworkPolicy"


@dataclass(frozen=True, slots=True)
class Policy:
    """
    Any policy of any kind in Calico's canonical form, as Felix would enforce it.

    `subject` is the effective selector over endpoint labels (namespace, pcns. and pcsa. clauses merged in). `order`
    is infinite when absent. `types` are the directions in force after the defaulting of the way it arrived.
    Rules in a direction that `types` lacks are inert and are left out of `ingress` and `egress`.
    `ignored` is True when Felix would drop the whole policy: one bad rule removes its Denies too.
    """

    ref: Ref
    kind: PolicyKind
    meta: Meta
    tier: str
    order: float
    order_declared: bool
    types: frozenset[Direction]
    types_declared: bool
    subject: Selector
    ingress: tuple[Rule, ...] = ()
    egress: tuple[Rule, ...] = ()
    staged: bool = False
    staged_action: str = "Set"
    host_only: bool = False  # doNotTrack or preDNAT: never reaches a pod
    apply_on_forward: bool = False
    ignored: bool = False
    defects: tuple[Defect, ...] = ()
    selector_text: str | None = None
    namespace_selector_text: str | None = None
    service_account_selector_text: str | None = None

    @property
    def namespace(self) -> str:
        return self.ref.namespace

    @property
    def name(self) -> str:
        return self.ref.name

    def rules(self, direction: Direction) -> tuple[Rule, ...]:
        return self.ingress if direction is Direction.INGRESS else self.egress


Subject = Namespace | Policy | Tier | NetworkSet | HostEndpoint | Pod


@dataclass(frozen=True, slots=True)
class User:
    """Who asks: the identity after impersonation, as the API server states it."""

    name: str
    groups: frozenset[str] = field(default_factory=frozenset)
    uid: str = ""


class CalicoApi(Enum):
    """How Calico's resources are served, or that only Kubernetes' own policies are to be used."""

    V1 = "crd.projectcalico.org/v1"  # only the backing definitions
    AGGREGATED = "aggregated"  # projectcalico.org/v3 by Calico's API server, stored in those of V1
    NATIVE = "projectcalico.org/v3"  # definitions of their own
    KUBERNETES = "networking.k8s.io/v1"  # managed Calico without support for its resources

    @property
    def api_version(self) -> str:
        """The apiVersion in which the baseline is written."""
        return "projectcalico.org/v3" if self is CalicoApi.AGGREGATED else self.value

    @property
    def group(self) -> str:
        return self.api_version.partition("/")[0]
