"""Judgement: one policy before one world, with what every question about it needs, and the steps it may still cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from webhook.policy.objects import Action, Direction, Policy
from webhook.policy.ranges import AddressSet
from webhook.policy.selectors import Selector
from webhook.policy.undercut.boxes import Region, Shape, regions, shape
from webhook.policy.undercut.peers import Peer, named_namespaces, residual
from webhook.policy.undercut.reach import Reach, reach
from webhook.policy.undercut.search import Budget
from webhook.policy.undercut.universe import Placed, Universe, universe_of
from webhook.policy.world import World

TERMINAL = frozenset({Action.ALLOW, Action.DENY, Action.PASS})


@dataclass(slots=True)
class Judgement:
    """
    A policy, the world it comes to, and the pods it may select.

    A policy that is only staged is judged as what it would be when enforced.
    """

    policy: Policy
    world: World
    universe: Universe
    standing: Reach
    subjects: tuple[Peer, ...]
    budget: Budget
    _shapes: dict[Direction, tuple[Shape, ...]] = field(default_factory=dict)
    _selected: dict[Peer, tuple[Selector, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, policy: Policy, world: World) -> Judgement:
        for known in _recent:
            if known.policy is policy and known.world is world:
                return replace(known, budget=Budget())
        judgement = cls._fresh(policy, world)
        _recent[:] = [judgement]
        return judgement

    @classmethod
    def _fresh(cls, policy: Policy, world: World) -> Judgement:
        universe = universe_of(world)
        # What never reaches a pod has no subjects here.
        reaches_pods = not policy.ignored and not policy.host_only and policy.staged_action in ("Set", "Learn")
        subjects = universe.subjects(policy.subject) if reaches_pods else ()
        return cls(policy, world, universe, reach(policy, world), subjects, Budget())

    def with_policy(self, policy: Policy, budget: Budget) -> Judgement:
        """The same question about another form of the policy, at the same place and for the same pods."""
        return replace(self, policy=policy, budget=budget, _shapes={})

    def shapes(self, direction: Direction) -> tuple[Shape, ...]:
        if direction not in self._shapes:
            rules = self.policy.rules(direction)
            self.budget.spend(
                sum(len(e.nets or ()) + len(e.not_nets) for r in rules for e in (r.source, r.destination)) // 16
            )
            self._shapes[direction] = tuple(shape(rule, direction) for rule in rules)
        return self._shapes[direction]

    def selected(self, subject: Peer) -> tuple[Selector, ...]:
        """What the policy's own selectors still ask of the subject."""
        if subject not in self._selected:
            left = residual(self.policy.subject, subject)
            self._selected[subject] = () if isinstance(left, bool) else (left,)
        return self._selected[subject]

    def regions(self, seen: Shape, subject: Peer, peer: Peer, addresses: AddressSet) -> Iterator[Region]:
        """The flows of a rule between the two, as far as the policy selects the subject."""
        own = self.selected(subject)
        yield from regions(seen, subject, peer, own, self.universe.addresses.pods, addresses)

    def peers(self, seen: Shape) -> Iterator[Placed]:
        """Whoever a rule may match at the other end, and the addresses they can have."""
        service = seen.peer.service
        if service is not None:
            behind = self.world.services.get((service.namespace, service.name))
            if behind is not None and behind.has_selector:
                yield from ((peer, self.universe.addresses.pods) for peer in self.universe.pods_of(service.namespace))
                return
        yield from self.universe.matching(seen.peer.selector)
        if seen.peer.not_selector is not None:
            for peer in self.universe.pods_named(named_namespaces(seen.peer.not_selector)):
                yield peer, self.universe.addresses.pods


# Several rules ask about the same policy one after the other.
_recent: list[Judgement] = []


def forget() -> None:
    """Start afresh, for whoever measures."""
    _recent.clear()
