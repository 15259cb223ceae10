"""Peers: who may stand at either end of a flow in any world the guard admits, as finitely many kinds of endpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from webhook.policy.objects import Labels
from webhook.policy.selectors import (
    NAMESPACE,
    NAMESPACE_PREFIX,
    SERVICE_ACCOUNT,
    SERVICE_ACCOUNT_PREFIX,
    All,
    And,
    Contains,
    EndsWith,
    Equal,
    Global,
    Has,
    In,
    Leaf,
    Not,
    NotEqual,
    NotIn,
    Or,
    Selector,
    StartsWith,
    children,
    leaves,
)

ORCHESTRATOR = "projectcalico.org/orchestrator"
KUBERNETES = "k8s"
RESERVED_PREFIX = "projectcalico.org/"
METADATA_NAME = "kubernetes.io/metadata.name"
# Three spellings of one fact: Kubernetes sets the first, Calico the others, and nobody can make them differ.
NAME_KEYS = frozenset({NAMESPACE_PREFIX + METADATA_NAME, NAMESPACE_PREFIX + "projectcalico.org/name", NAMESPACE})
# A selector of the longest kind is some ten kilobytes as a tree.
_REMEMBERED = 4_096
SERVICE_ACCOUNT_KEYS = frozenset({SERVICE_ACCOUNT, SERVICE_ACCOUNT_PREFIX + "projectcalico.org/name"})


class Kind(Enum):
    """What an endpoint is to Calico, which decides the labels it can have."""

    POD = "pod"
    SET = "network set"  # of a namespace
    GLOBAL_SET = "global network set"
    HOST = "host endpoint"
    OUTSIDE = "outside"  # an address that no endpoint and no set names

    # There is one of each, and they are in the keys of everything that is remembered.
    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class Peer:
    """
    All endpoints that agree in kind, environment and namespace; their other labels are free.

    An empty namespace is one that no selector at hand names: for those, what holds of one holds of all. A set
    that exists keeps its own labels, and may come to carry any others that its namespace has; without labels
    it stands for all sets there could be.
    """

    kind: Kind
    environment_key: str
    environment: str | None = None
    namespace: str = ""
    labels: Labels | None = None

    @property
    def in_namespace(self) -> bool:
        return self.kind in (Kind.POD, Kind.SET)


def leaf_value(leaf: Leaf, peer: Peer) -> bool | Leaf:
    """Decide a leaf by what is fixed of the peer, or return it, with synonyms replaced, when it depends on the rest."""
    if isinstance(leaf, All | Global):
        return True
    key = leaf.key
    if not peer.in_namespace:
        fixed = key.startswith((RESERVED_PREFIX, NAMESPACE_PREFIX)) or peer.kind is Kind.OUTSIDE
        return leaf.matches({}) if fixed else leaf
    if key == peer.environment_key:
        return leaf.matches({} if peer.environment is None else {key: peer.environment})
    if key in NAME_KEYS:
        return leaf.matches({key: peer.namespace}) if peer.namespace else _of_unnamed(leaf, NAMESPACE)
    if key == ORCHESTRATOR:
        return leaf.matches({key: KUBERNETES} if peer.kind is Kind.POD else {})
    if peer.kind is Kind.POD:
        if key in SERVICE_ACCOUNT_KEYS:
            return True if isinstance(leaf, Has) else _renamed(leaf, SERVICE_ACCOUNT)
        return leaf
    if key.startswith(NAMESPACE_PREFIX):
        return leaf
    if peer.labels is None:
        return leaf.matches({}) if key.startswith(RESERVED_PREFIX) else leaf
    return leaf.matches(peer.labels)


def _of_unnamed(leaf: Leaf, key: str) -> bool | Leaf:
    # Every name that a selector spells out has a peer of its own.
    match leaf:
        case Equal() | In():
            return False
        case NotEqual() | NotIn() | Has():
            return True
        case _:
            return _renamed(leaf, key)


def _renamed(leaf: Leaf, key: str) -> Leaf:
    match leaf:
        case In(_, values) | NotIn(_, values):
            return type(leaf)(key, values)
        case Equal(_, value) | NotEqual(_, value) | Contains(_, value) | StartsWith(_, value) | EndsWith(_, value):
            return type(leaf)(key, value)
        case _:
            return Has(key)


@lru_cache(maxsize=_REMEMBERED)
def residual(selector: Selector, peer: Peer) -> bool | Selector:
    """What is left of a selector once all that is fixed of the peer is put in: always, never, or a condition."""
    return simplified(selector, lambda leaf: leaf_value(leaf, peer))


def simplified(selector: Selector, value: Callable[[Leaf], bool | Leaf]) -> bool | Selector:
    """Replace leaves by truths and fold these upwards, without recursion: selectors nest deeper than Python can."""
    if not isinstance(selector, Not | And | Or):
        return value(selector)
    built: list[bool | Selector] = []
    pending: list[tuple[Selector, bool]] = [(selector, False)]
    while pending:
        node, is_ready = pending.pop()
        if not isinstance(node, Not | And | Or):
            built.append(value(node))
        elif not is_ready:
            pending.append((node, True))
            pending.extend((child, False) for child in children(node))
        elif isinstance(node, Not):
            operand = built.pop()
            built.append(not operand if isinstance(operand, bool) else Not(operand))
        else:
            operands = built[-len(node.operands) :]
            del built[-len(node.operands) :]
            built.append(_folded(type(node), operands))
    return built[0]


def _folded(operator: type[And] | type[Or], operands: list[bool | Selector]) -> bool | Selector:
    neutral = operator is And
    if (not neutral) in operands:
        return not neutral
    # Pushed and popped once each, the operands stand in reverse.
    open_ones = tuple(operand for operand in reversed(operands) if not isinstance(operand, bool))
    if not open_ones:
        return neutral
    return operator(open_ones) if len(open_ones) > 1 else open_ones[0]


def pinned_namespace(selector: Selector) -> str | None:
    """The one namespace that a selector asks for beside all else; None when it does not say so plainly."""
    for clause in selector.operands if isinstance(selector, And) else (selector,):
        if isinstance(clause, Equal) and clause.key in NAME_KEYS:
            return clause.value
    return None


@lru_cache(maxsize=_REMEMBERED)
def named_namespaces(selector: Selector) -> frozenset[str]:
    """The namespaces that a selector spells out, by any of the three labels that tell a namespace's name."""
    names: set[str] = set()
    for leaf in leaves(selector):
        match leaf:
            case Equal(key, value) | NotEqual(key, value) if key in NAME_KEYS:
                names.add(value)
            case In(key, values) | NotIn(key, values) if key in NAME_KEYS:
                names |= values
    return frozenset(names)
