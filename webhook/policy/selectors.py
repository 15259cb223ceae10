"""Selectors: the door to Calico's selector language, and what becomes of a policy's selectors; never a whole policy."""

from collections.abc import Callable, Iterator
from typing import TypeVar, assert_never

from webhook.policy.selector_parser import SelectorError, is_blank, parse
from webhook.policy.selector_tree import (
    MAX_LABEL,
    All,
    And,
    Contains,
    EndsWith,
    Equal,
    Global,
    Has,
    In,
    Labels,
    Leaf,
    Not,
    NotEqual,
    NotIn,
    Or,
    Selector,
    StartsWith,
    children,
)

__all__ = [
    "MAX_LABEL",
    "NAMESPACE",
    "NAMESPACE_PREFIX",
    "SERVICE_ACCOUNT",
    "SERVICE_ACCOUNT_PREFIX",
    "All",
    "And",
    "Contains",
    "EndsWith",
    "Equal",
    "Global",
    "Has",
    "In",
    "Labels",
    "Leaf",
    "Not",
    "NotEqual",
    "NotIn",
    "Or",
    "Selector",
    "SelectorError",
    "StartsWith",
    "children",
    "conjunction",
    "disjunction",
    "global_policy_subject",
    "is_blank",
    "keys",
    "leaves",
    "literal_mentions_rewritten_text",
    "namespaced_policy_subject",
    "normalise",
    "parse",
    "peer_namespaces",
    "peer_service_accounts",
    "prefixed",
    "rewrite",
]

NAMESPACE = "projectcalico.org/namespace"
SERVICE_ACCOUNT = "projectcalico.org/serviceaccount"
NAMESPACE_PREFIX = "pcns."
SERVICE_ACCOUNT_PREFIX = "pcsa."

T = TypeVar("T", And, Or)


def leaves(selector: Selector) -> Iterator[Leaf]:
    """List the leaves from left to right, repeated ones too."""
    pending: list[Selector] = [selector]
    while pending:
        node = pending.pop()
        if isinstance(node, Not | And | Or):
            pending.extend(reversed(children(node)))
        else:
            yield node


def keys(selector: Selector) -> frozenset[str]:
    return frozenset(leaf.key for leaf in leaves(selector) if not isinstance(leaf, All | Global))


def rewrite(selector: Selector, leaf: Callable[[Leaf], Selector], *, drop_double_negation: bool = False) -> Selector:
    """Rebuild the selector with every leaf replaced, without recursion."""
    built: list[Selector] = []
    pending: list[tuple[Selector, bool]] = [(selector, False)]
    while pending:
        node, children_built = pending.pop()
        if not isinstance(node, Not | And | Or):
            built.append(leaf(node))
        elif not children_built:
            pending.append((node, True))
            pending.extend((child, False) for child in reversed(children(node)))
        elif isinstance(node, Not):
            operand = built.pop()
            built.append(operand.operand if drop_double_negation and isinstance(operand, Not) else Not(operand))
        else:
            count = len(node.operands)
            operands = tuple(built[-count:])
            del built[-count:]
            built.append(type(node)(operands))
    return built[0]


def normalise(selector: Selector) -> Selector:
    """
    Drop pairs of negations, which have no spelling of their own.

    Law: parse(str(s)) == normalise(s), and both match what s matches.
    """
    return rewrite(selector, lambda leaf: leaf, drop_double_negation=True)


def prefixed(selector: Selector, prefix: str) -> Selector:
    """
    Put the prefix before every label's name.

    Raises:
        SelectorError: when a name becomes longer than a label can be; Calico would drop the clause.
    """

    def longer(leaf: Leaf) -> Selector:
        if isinstance(leaf, All | Global):
            return leaf
        if len(prefix) + len(leaf.key) > MAX_LABEL:
            text = str(selector)
            raise SelectorError(text, text.find(leaf.key), f"a label of at most {MAX_LABEL - len(prefix)} characters")
        key = prefix + leaf.key
        match leaf:
            case Has():
                return Has(key)
            case In(_, values) | NotIn(_, values):
                return type(leaf)(key, values)
            case Equal(_, value) | NotEqual(_, value) | Contains(_, value) | StartsWith(_, value) | EndsWith(_, value):
                return type(leaf)(key, value)
            case _:
                assert_never(leaf)

    return rewrite(selector, longer)


def conjunction(*selectors: Selector) -> Selector:
    """Match what all of them match; with none of them, everything."""
    parts = [part for part in _flat(And, selectors) if not isinstance(part, All)]
    distinct = tuple(dict.fromkeys(parts))
    return And(distinct) if len(distinct) > 1 else distinct[0] if distinct else All()


def disjunction(first: Selector, *others: Selector) -> Selector:
    """Match what any of them matches."""
    distinct = tuple(dict.fromkeys(_flat(Or, (first, *others))))
    return Or(distinct) if len(distinct) > 1 else distinct[0]


def _flat(operator: type[T], selectors: tuple[Selector, ...]) -> Iterator[Selector]:
    for selector in selectors:
        if isinstance(selector, operator):
            yield from selector.operands
        else:
            yield selector


def literal_mentions_rewritten_text(selector: Selector) -> bool:
    """
    Say whether a quoted string holds the words `all()` or `global()`.

    Calico replaces these two in the selector's text, quotes or not: such a selector does not mean what it says.
    """
    return any("all()" in literal or "global()" in literal for leaf in leaves(selector) for literal in _literals(leaf))


def _literals(leaf: Leaf) -> tuple[str, ...] | frozenset[str]:
    match leaf:
        case In(_, values) | NotIn(_, values):
            return values
        case All() | Global() | Has():
            return ()
        case _:
            return (leaf.value,)


def peer_namespaces(selector: Selector) -> Selector:
    """
    Make of a rule's namespaceSelector the clause that its peers must match.

    `all()` means every endpoint and set in a namespace, `global()` every one in none.
    """
    return rewrite(prefixed(selector, NAMESPACE_PREFIX), _namespaces_or_none)


def peer_service_accounts(selector: Selector | None, names: frozenset[str]) -> Selector:
    """Make of a rule's serviceAccounts the clause that its peers must match; no names and no selector: everything."""
    clauses: list[Selector] = []
    if selector is not None:
        clauses.append(prefixed(selector, SERVICE_ACCOUNT_PREFIX))
    if names:
        clauses.append(In(SERVICE_ACCOUNT, names))
    return conjunction(*clauses)


def namespaced_policy_subject(namespace: str, selector: Selector | None, service_accounts: Selector | None) -> Selector:
    """Join the selectors that say which endpoints a policy in a namespace is about; None is a field empty or absent."""
    clauses: list[Selector] = [] if selector is None else [selector]
    clauses.append(Equal(NAMESPACE, namespace))
    if service_accounts is not None:
        clauses.append(prefixed(service_accounts, SERVICE_ACCOUNT_PREFIX))
    return conjunction(*clauses)


def global_policy_subject(
    selector: Selector | None, namespaces: Selector | None, service_accounts: Selector | None
) -> Selector:
    """
    Join the selectors that say which endpoints a global policy is about; None is a field empty or absent.

    Calico puts `has(projectcalico.org/namespace)` for every `all()`, the policy's own selector's too, once a
    namespaceSelector has joined, and `has(projectcalico.org/serviceaccount)` for every `all()` still there once a
    serviceAccountSelector has. So an empty selector and `all()` differ here: beside `env != "x"` only the empty one
    is about host endpoints as well. `global()` stays, and matches everything.
    """
    joined = selector
    for clause, prefix, meant in (
        (namespaces, NAMESPACE_PREFIX, Has(NAMESPACE)),
        (service_accounts, SERVICE_ACCOUNT_PREFIX, Has(SERVICE_ACCOUNT)),
    ):
        if clause is not None:
            clause = prefixed(clause, prefix)
            joined = clause if joined is None else And((joined, clause))
            joined = _all_replaced(joined, meant)
    return All() if joined is None else joined


def _all_replaced(selector: Selector, meant: Selector) -> Selector:
    return rewrite(selector, lambda leaf: meant if isinstance(leaf, All) else leaf)


def _namespaces_or_none(leaf: Leaf) -> Selector:
    match leaf:
        case All():
            return Has(NAMESPACE)
        case Global():
            return Not(Has(NAMESPACE))
        case _:
            return leaf
