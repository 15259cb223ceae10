"""Judgement: one policy before one world, with what every question about it needs, and the steps it may still cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from webhook.policy.objects import Action, Direction, Policy
from webhook.policy.ranges import AddressSet
from webhook.policy.selectors import Selector
from webhook.policy.undercut.boxes import Cover, Region, Shape, cover, regions, shape
from webhook.policy.undercut.peers import Kind, Peer, named_namespaces, residual
from webhook.policy.undercut.reach import Reach, reach
from webhook.policy.undercut.search import Budget
from webhook.policy.undercut.universe import Universe, universe_of
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
            self._shapes[direction] = tuple(shape(rule, direction) for rule in self.policy.rules(direction))
        return self._shapes[direction]

    def selected(self, subject: Peer) -> tuple[Selector, ...]:
        """What the policy's own selectors still ask of the subject."""
        left = residual(self.policy.subject, subject)
        return () if isinstance(left, bool) else (left,)

    def regions(self, seen: Shape, subject: Peer, peer: Peer, addresses: AddressSet) -> Iterator[Region]:
        """The flows of a rule between the two, as far as the policy selects the subject."""
        own = self.selected(subject)
        yield from regions(seen, subject, peer, own, self.universe.addresses.pods, addresses)

    def covers(self, settled: Sequence[Shape], subject: Peer, peer: Peer) -> list[Cover]:
        """What earlier rules have settled between the two."""
        self.budget.spend(len(settled))
        found = (cover(seen, subject, peer) for seen in settled)
        return [known for known in found if known is not None]

    def peers(self, seen: Shape) -> Iterator[tuple[Peer, AddressSet]]:
        """Whoever a rule may match at the other end, and the addresses they can have."""
        known = self.universe.addresses
        service = seen.peer.service
        if service is not None:
            behind = self.world.services.get((service.namespace, service.name))
            if behind is not None and behind.has_selector:
                yield from ((peer, known.pods) for peer in self.universe.pods_of(service.namespace))
                return
        yield from ((peer, known.pods) for peer in self.universe.unnamed)
        for selector in (seen.peer.selector, seen.peer.not_selector):
            if selector is not None:
                named = self.universe.pods_named(named_namespaces(selector))
                yield from ((peer, known.pods) for peer in named)
        key = self.universe.environment_key
        yield Peer(Kind.OUTSIDE, key), known.outside
        yield Peer(Kind.GLOBAL_SET, key), known.outside
        yield Peer(Kind.HOST, key), known.outside if known.nodes.is_empty else known.nodes
        for peer, nets, _ in self.universe.sets:
            yield peer, nets


# Several rules ask about the same policy one after the other.
_recent: list[Judgement] = []
