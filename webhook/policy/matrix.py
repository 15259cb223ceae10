"""Matrix: who may talk to whom, namespace by namespace, with the exact ports; by verdicts, never by looks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from webhook.policy.endpoints import PodRef
from webhook.policy.flows import Flow
from webhook.policy.objects import Direction, Meta, Pod
from webhook.policy.ports import LAST_PORT, PROTOCOLS, PortRange, PortSet, protocol_name
from webhook.policy.traffic import Evaluator, evaluator
from webhook.policy.world import World, frozen

_WITH_PORTS = (PROTOCOLS["TCP"], PROTOCOLS["UDP"], PROTOCOLS["SCTP"])
_SYNTHETIC = "any-pod"


@dataclass(frozen=True, slots=True)
class Cell:
    """
    What pods of one namespace may open to pods of another: ports by protocol number, and whether ping passes.

    `partly` says that it holds for some of the pods only; the ports are then those that are open for any of them.
    """

    ports: tuple[tuple[int, PortSet], ...] = ()
    ping: bool = False
    partly: bool = False

    @property
    def is_open(self) -> bool:
        return bool(self.ports) or self.ping

    @property
    def is_everything(self) -> bool:
        return not self.partly and self.ping and self.ports == tuple((p, _ALL) for p in _WITH_PORTS)

    def __str__(self) -> str:
        if not self.is_open:
            return "-"
        if self.is_everything:
            return "all"
        parts = [f"{protocol_name(protocol)} {'any' if ports == _ALL else ports}" for protocol, ports in self.ports] + (
            ["ping"] if self.ping else []
        )
        return ", ".join(parts) + (" (some pods)" if self.partly else "")


_ALL = PortSet.of([PortRange(1, LAST_PORT)])
CLOSED = Cell()


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows open connections, columns receive them; namespaces in order."""

    namespaces: tuple[str, ...]
    cells: Mapping[tuple[str, str], Cell]


def rows(world: World) -> Iterator[tuple[str, dict[str, Cell]]]:
    """
    Work out one row after the other, so that a caller can show progress.

    A namespace without pods is asked for with a pod that has no labels; pods that no policy can tell apart are asked
    for once.
    """
    world = _populated(world)
    names = tuple(sorted(world.namespaces))
    judge = evaluator(world)
    pods = {name: _representatives(name, judge) for name in names}
    for source in names:
        row = {}
        for destination in names:
            found = [
                _pair(a, b, judge) for a in pods[source] for b in pods[destination] if a != b or len(pods[source]) == 1
            ]
            row[destination] = _joined(found)
        yield source, row


def matrix(world: World) -> Matrix:
    found = dict(rows(world))
    return Matrix(tuple(found), frozen({(s, d): cell for s, row in found.items() for d, cell in row.items()}))


def _populated(world: World) -> World:
    inhabited = {place[0] for place, pod in world.pods.items() if not pod.host_network}
    empty = {
        (name, _SYNTHETIC): Pod(Meta(_SYNTHETIC, namespace=name)) for name in world.namespaces if name not in inhabited
    }
    return replace(world, pods=frozen({**world.pods, **empty}))


def _representatives(namespace: str, judge: Evaluator) -> tuple[PodRef, ...]:
    """One pod of each kind: the same labels, service account and named ports make no difference to any policy."""
    kinds: dict[object, PodRef] = {}
    for (where, name), pod in sorted(judge.world.pods.items()):
        if where == namespace and not pod.host_network:
            kinds.setdefault((pod.meta.labels, pod.service_account, pod.named_ports), PodRef(where, name))
    return tuple(kinds.values())


def _pair(source: PodRef, destination: PodRef, judge: Evaluator) -> Cell:
    found = []
    for protocol in _WITH_PORTS:
        allowed = PortSet.of(
            part
            for part in _parts(source, destination, judge)
            if judge.verdict(Flow(source, destination, protocol, part.low)).allowed
        )
        if not allowed.is_empty:
            found.append((protocol, allowed))
    return Cell(tuple(found), judge.verdict(Flow(source, destination, PROTOCOLS["ICMP"])).allowed)


def _parts(source: PodRef, destination: PodRef, judge: Evaluator) -> list[PortRange]:
    """Cut the ports where any rule that has a say makes a difference; inside a part all verdicts are the same."""
    edges = {1}
    for pod, direction in ((source, Direction.EGRESS), (destination, Direction.INGRESS)):
        for stack in judge.stack(pod, direction):
            for policy in stack.policies:
                for rule in policy.rules(direction):
                    for match in (rule.destination.ports, rule.destination.not_ports):
                        if match is not None:
                            edges |= {edge for low, high in match.numbers.ranges for edge in (low, high + 1)}
    for endpoint in (judge.world.pods.get((destination.namespace, destination.name)),):
        for named in endpoint.named_ports if endpoint else ():
            edges |= {named.port, named.port + 1}
    for service in judge.world.services.values():
        edges |= {edge for _, _, port in service.endpoints for edge in (port, port + 1)}
    starts = sorted(edge for edge in edges if 1 <= edge <= LAST_PORT)
    return [PortRange(low, high - 1) for low, high in zip(starts, [*starts[1:], LAST_PORT + 1], strict=True)]


def _joined(cells: list[Cell]) -> Cell:
    if not cells:
        return CLOSED
    if all(cell == cells[0] for cell in cells):
        return cells[0]
    ports: dict[int, PortSet] = {}
    for cell in cells:
        for protocol, found in cell.ports:
            ports[protocol] = ports[protocol].union(found) if protocol in ports else found
    return Cell(tuple(sorted(ports.items())), any(cell.ping for cell in cells), partly=True)
