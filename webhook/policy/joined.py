"""Joined: the selector text that Calico pastes together from a policy's clauses, for those that do not stand alone."""

from __future__ import annotations

from collections.abc import Sequence

from webhook.policy.selectors import (
    NAMESPACE,
    NAMESPACE_PREFIX,
    SERVICE_ACCOUNT,
    SERVICE_ACCOUNT_PREFIX,
    SelectorError,
    normalise,
    parse,
    prefixed,
)

# Calico joins the clauses of a policy as text before it parses them, and replaces all() and global() in that text,
# quotes or not (libcalico-go, updateprocessors). As long as every clause parses on its own, is not blank and quotes
# neither word, the same follows from the trees, and parse_calico.py uses those. Here is what becomes of the others.
# None of these functions raises: a text that cannot be parsed is for the caller to find.


def namespaced_subject(namespace: str, selector: str, service_accounts: str) -> str:
    """Return the endpoints of a NetworkPolicy."""
    own = f"{NAMESPACE} == '{namespace}'"
    return _appended(f"({selector}) && {own}" if selector else own, service_accounts, SERVICE_ACCOUNT_PREFIX)


def global_subject(selector: str, namespaces: str, service_accounts: str) -> str:
    """Return the endpoints of a GlobalNetworkPolicy."""
    if namespaces:
        selector = _appended(selector, namespaces, NAMESPACE_PREFIX).replace("all()", f"has({NAMESPACE})")
    if service_accounts:
        selector = _appended(selector, service_accounts, SERVICE_ACCOUNT_PREFIX)
        selector = selector.replace("all()", f"has({SERVICE_ACCOUNT})")
    return selector


def peer(
    namespace: str,
    namespaces: str,
    selector: str,
    not_selector: str,
    service_accounts: str,
    service_account_names: Sequence[str],
) -> str:
    """Return the peers of one side of a rule; empty is any peer. `namespace` is the policy's own, or empty."""
    clauses = [part for part in (_accounts(service_accounts, service_account_names), selector) if part]
    selected = f"({') && ('.join(clauses)})" if len(clauses) > 1 else "".join(clauses)
    if namespaces:
        place = _with_prefix(namespaces, NAMESPACE_PREFIX)
        place = place.replace("all()", f"has({NAMESPACE})").replace("global()", f"!has({NAMESPACE})")
    else:
        place = f"{NAMESPACE} == '{namespace}'" if namespace else ""
    if place and (selected or not_selector or namespaces):
        return f"({place}) && ({selected})" if selected else place
    return selected


def without(positive: str, negative: str) -> str:
    """Return a positive selector with a notSelector beside it."""
    return f"({positive}) && (!({negative}))"


def _appended(selector: str, clause: str, prefix: str) -> str:
    added = _with_prefix(clause, prefix) if clause else ""
    return f"({selector}) && {added}" if selector and added else selector or added


def _with_prefix(text: str, prefix: str) -> str:
    """Return the clause with prefixed labels, or nothing: Calico leaves out a clause that it cannot parse."""
    try:
        selector = parse(text)
    except SelectorError:
        return ""
    try:
        return str(normalise(prefixed(selector, prefix)))
    except SelectorError:
        # A label too long for its prefix: Calico finds that out only when it parses the whole again.
        return f"{prefix} is too long"


def _accounts(selector: str, names: Sequence[str]) -> str:
    clause = _with_prefix(selector, SERVICE_ACCOUNT_PREFIX) if selector else ""
    if not names:
        return clause
    quoted = "', '".join(names)
    try:
        listed = str(parse(f"{SERVICE_ACCOUNT} in {{ '{quoted}' }}"))
    except SelectorError:
        # The selector beside the names goes with them.
        return ""
    return f"({clause}) && ({listed})" if clause else listed
