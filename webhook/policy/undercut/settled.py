"""Settled: the earlier rules of a policy that take flows away from the later ones, as covers and as a digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from webhook.policy.objects import Entity, Rule
from webhook.policy.undercut.boxes import Cover, Shape, cover
from webhook.policy.undercut.peers import Peer
from webhook.policy.undercut.search import Budget


@dataclass(slots=True)
class Settled:
    """Rules, in order; what each settles between two kinds of endpoint is worked out once."""

    shapes: list[Shape] = field(default_factory=list)
    _covers: dict[tuple[Peer, Peer], tuple[int, list[Cover]]] = field(default_factory=dict)
    _digest: tuple[int, str] = (0, "")

    def add(self, shape: Shape) -> None:
        self.shapes.append(shape)

    def covers(self, subject: Peer, peer: Peer, budget: Budget) -> Sequence[Cover]:
        done, found = self._covers.get((subject, peer), (0, []))
        if done < len(self.shapes):
            budget.spend(len(self.shapes) - done)
            found += (known for shape in self.shapes[done:] if (known := cover(shape, subject, peer)) is not None)
            self._covers[subject, peer] = len(self.shapes), found
        return found

    @property
    def digest(self) -> str:
        """What the reach of later rules depends on."""
        done, so_far = self._digest
        for shape in self.shapes[done:]:
            so_far = digest((so_far, content(shape.rule)))
        self._digest = len(self.shapes), so_far
        return so_far


def digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def content(rule: Rule) -> str:
    """A rule in full, without its place, which may change without changing what it does."""
    sides = (_entity(rule.source), _entity(rule.destination))
    rest = (rule.protocol, rule.not_protocol, rule.icmp, rule.not_icmp, rule.ip_version)
    return repr((rule.action.value, sides, rest))


def _entity(entity: Entity) -> tuple[object, ...]:
    nets = None if entity.nets is None else [(net.family, net.low, net.length) for net in entity.nets]
    not_nets = [(net.family, net.low, net.length) for net in entity.not_nets]
    selectors = (str(entity.selector), str(entity.not_selector))
    return (*selectors, nets, not_nets, entity.ports, entity.not_ports, entity.service)
