"""Search: a flow of a region that no cover settles, within a bounded number of steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from webhook.policy.label_values import is_label_key, is_label_value
from webhook.policy.ranges import PortSet
from webhook.policy.satisfy import PRESENT, Unknown, Unsatisfiable, Witness, satisfiable
from webhook.policy.selectors import (
    NAMESPACE,
    SERVICE_ACCOUNT,
    And,
    Equal,
    Has,
    In,
    Labels,
    Not,
    NotEqual,
    NotIn,
    Selector,
    conjunction,
    keys,
)
from webhook.policy.undercut.boxes import ANY_ADDRESS, ANY_PORT, Cover, Region

# A realistic policy takes some hundred steps, one of every rule the API accepts with nothing to hide some ten
# thousand; a step is a few microseconds.
MAX_STEPS = 40_000


# What every question about labels that people write takes is far below the first; the second is for the others,
# and is charged in full.
_EASY, _HARD = 64, 6_000
_EASY_COST = 12
_ALWAYS_PRESENT = frozenset({NAMESPACE, SERVICE_ACCOUNT})


class TooComplexError(Exception):
    """Raised when the steps are spent before the question is answered."""


@dataclass(slots=True)
class Budget:
    """What one judgement may still spend; shared by all its searches, so that their number is bounded too."""

    left: int = MAX_STEPS
    known: dict[tuple[Selector, ...], Labels | None] = field(default_factory=dict)

    def spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise TooComplexError


@dataclass(frozen=True, slots=True)
class Found:
    """A region in which every flow is one that was sought, and labels that meet its conditions at both ends."""

    region: Region
    own_labels: Labels
    peer_labels: Labels


def find(region: Region, covers: Sequence[Cover], budget: Budget) -> Found | None:
    """
    Look for a part of the region that no cover touches and whose conditions on labels can be met.

    Raises:
        TooComplexError: when the budget is spent.
    """
    pending = [(region, 0)]
    while pending:
        current, at = pending.pop()
        while at < len(covers) and not _overlaps(current, covers[at]):
            budget.spend(covers[at].weight + len(current.ports.ranges) // 8)
            at += 1
        if at < len(covers):
            pieces = len(current.ports.ranges) + len(current.peer_addresses.v4) + len(current.peer_addresses.v6)
            budget.spend(4 + pieces // 4 + 2 * covers[at].weight)
            pending.extend((part, at + 1) for part in _outside(current, covers[at]))
            continue
        own = model((*current.own, *current.peer) if current.is_one_place else current.own, budget)
        other = model(current.peer, budget) if own is not None else None
        if own is not None and other is not None:
            return Found(current, own, other)
    return None


def is_settled(region: Region, covers: Sequence[Cover], budget: Budget) -> bool:
    """
    Say whether the covers leave nothing of the region.

    Raises:
        TooComplexError: when the budget is spent.
    """
    own, other = model(region.own, budget), model(region.peer, budget)
    if own is not None and other is not None and not region.is_one_place:
        budget.spend(len(covers))
        near = (cover for cover in covers if _overlaps(region, cover))
        if all(_excludes(cover.own, own) or _excludes(cover.peer, other) for cover in near):
            return False
    return find(region, covers, budget) is None


def _excludes(condition: Selector | None, labels: Labels) -> bool:
    return condition is not None and not condition.matches(labels)


def model(conditions: tuple[Selector, ...], budget: Budget) -> Labels | None:
    """Labels that meet all conditions, or None when there are none."""
    if not conditions:
        return {}
    if conditions not in budget.known:
        budget.spend(1)
        guessed = _guess(conditions)
        budget.known[conditions] = guessed if guessed is not None else _solved(conjunction(*conditions), budget)
    return budget.known[conditions]


def _guess(conditions: tuple[Selector, ...]) -> Labels | None:
    """
    Give every label the value that is asked for, and see whether that will do: most selectors are that simple.

    None means nothing: the solver answers then.
    """
    labels: dict[str, str] = {}
    pending = list(conditions)
    while pending:
        match pending.pop():
            case And(operands):
                pending += operands
            case Equal(key, value):
                labels[key] = value
            case In(key, values) if values:
                labels.setdefault(key, min(values))
            case Has(key):
                labels.setdefault(key, "x")
            case NotEqual(key) | NotIn(key) if key not in _ALWAYS_PRESENT:
                continue
            case _:
                return None
    for key, value in labels.items():
        if key in _ALWAYS_PRESENT or not is_label_key(key) or not is_label_value(value):
            return None
    return labels if all(condition.matches(labels) for condition in conditions) else None


def _solved(selector: Selector, budget: Budget) -> Labels | None:
    # Only pods have conditions on these two labels left, and every pod has both.
    names = keys(selector) & _ALWAYS_PRESENT
    domains = dict.fromkeys(names, PRESENT)
    selector = conjunction(selector, *(NotEqual(key, "") for key in sorted(names)))
    for allowed, cost in ((_EASY, _EASY_COST), (_HARD, _HARD)):
        budget.spend(cost)
        match satisfiable(selector, domains, budget=allowed):
            case Unsatisfiable():
                return None
            case Unknown():
                continue
            case Witness(labels):
                return dict(labels)
    raise TooComplexError


def _overlaps(region: Region, cover: Cover) -> bool:
    """Whether the sets of both have flows in common; their conditions on labels may still exclude each other."""
    if not region.protocols & cover.protocols:
        return False
    if region.protocols == cover.named_protocol and (
        region.port_name in cover.not_port_names or region.source_port_name in cover.not_source_port_names
    ):
        return False
    if cover.service is not None and cover.service != region.service:
        return False
    ports, source_ports = _ports(region, cover)
    return (
        (ports is ANY_PORT or ports.overlaps(region.ports))
        and (source_ports is ANY_PORT or source_ports.overlaps(region.source_ports))
        and (cover.peer_addresses is ANY_ADDRESS or cover.peer_addresses.overlaps(region.peer_addresses))
        and (cover.own_addresses is ANY_ADDRESS or cover.own_addresses.overlaps(region.own_addresses))
    )


def _ports(region: Region, cover: Cover) -> tuple[PortSet, PortSet]:
    """The ports of the cover, for an endpoint whose ports are named as the region says."""
    if region.protocols != cover.named_protocol:
        return cover.ports, cover.source_ports
    return (
        cover.named_ports if region.port_name in cover.port_names else cover.ports,
        cover.named_source_ports if region.source_port_name in cover.source_port_names else cover.source_ports,
    )


def _outside(region: Region, cover: Cover) -> Iterator[Region]:
    """The region without the cover, as disjoint regions: one for each condition that a flow outside it breaks."""
    ports, source_ports = _ports(region, cover)
    rest = region
    if rest.protocols & ~cover.protocols:
        yield replace(rest, protocols=rest.protocols & ~cover.protocols)
        rest = replace(rest, protocols=rest.protocols & cover.protocols)
    if not ports.covers(rest.ports):
        yield replace(rest, ports=rest.ports.difference(ports))
        rest = replace(rest, ports=rest.ports.intersection(ports))
    if not source_ports.covers(rest.source_ports):
        yield replace(rest, source_ports=rest.source_ports.difference(source_ports))
        rest = replace(rest, source_ports=rest.source_ports.intersection(source_ports))
    if cover.peer_addresses is not ANY_ADDRESS and not cover.peer_addresses.covers(rest.peer_addresses):
        yield from _unless_empty(replace(rest, peer_addresses=rest.peer_addresses.difference(cover.peer_addresses)))
        rest = replace(rest, peer_addresses=rest.peer_addresses.intersection(cover.peer_addresses))
    if cover.own_addresses is not ANY_ADDRESS and not cover.own_addresses.covers(rest.own_addresses):
        yield from _unless_empty(replace(rest, own_addresses=rest.own_addresses.difference(cover.own_addresses)))
        rest = replace(rest, own_addresses=rest.own_addresses.intersection(cover.own_addresses))
    if rest.is_empty:
        return
    if cover.own is not None:
        yield replace(rest, own=(*rest.own, Not(cover.own)))
        rest = replace(rest, own=(*rest.own, cover.own))
    if cover.peer is not None:
        yield replace(rest, peer=(*rest.peer, Not(cover.peer)))


def both(one: Region, other: Region) -> Region:
    """The flows of both; the second may name ports and services, the first does not."""
    return replace(
        other,
        peer=(*one.peer, *other.peer),
        own=(*one.own, *other.own),
        peer_addresses=one.peer_addresses.intersection(other.peer_addresses),
        own_addresses=one.own_addresses.intersection(other.own_addresses),
        protocols=one.protocols & other.protocols,
        ports=one.ports.intersection(other.ports),
        source_ports=one.source_ports.intersection(other.source_ports),
    )


def _unless_empty(region: Region) -> Iterator[Region]:
    if not region.is_empty:
        yield region
