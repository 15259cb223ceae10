"""Flows and their verdicts, as values; traffic.py decides them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from webhook.policy.endpoints import PodRef
from webhook.policy.objects import Action, Direction, Ref
from webhook.policy.ranges import Cidr, Family

# A client's port, unless the flow says which: some rules look at it.
EPHEMERAL_PORT = 49_152


@dataclass(frozen=True, slots=True)
class Flow:
    """
    A connection: two ends, each a pod or an address, a protocol number and a destination port.

    `icmp` is type and code, an echo request unless said. `family` chooses between the addresses of pods with both.
    """

    source: PodRef | Cidr
    destination: PodRef | Cidr
    protocol: int
    port: int = 0
    source_port: int = EPHEMERAL_PORT
    icmp: tuple[int, int] | None = None
    family: Family | None = None


class Decision(Enum):
    """What kind of thing decided a step."""

    RULE = "rule"
    END_OF_TIER = "end of tier"
    PROFILE = "profile"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that had a say: a rule that matched, the end of a tier, or the profile; `policy` is None for that."""

    decision: Decision
    action: Action
    tier: str = ""
    policy: Ref | None = None
    order: float = 0.0
    path: str = ""

    def __str__(self) -> str:
        named = f"{self.policy.name} (order {self.order:g})" if self.policy else ""
        if self.decision is Decision.RULE:
            return named
        if self.decision is Decision.END_OF_TIER:
            return f"{named}, end of tier {self.tier}"
        return "no policy, the namespace's profile allows" if self.action is Action.ALLOW else "no profile"


@dataclass(frozen=True, slots=True)
class Hook:
    """One end's say: the steps in order, of which the last decided."""

    direction: Direction
    pod: PodRef
    allowed: bool
    steps: tuple[Step, ...]

    @property
    def decided_by(self) -> str:
        return str(self.steps[-1])


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the flow passes: all hooks that exist allow it, egress of the source and ingress of the destination."""

    flow: Flow
    allowed: bool
    hooks: tuple[Hook, ...]

    @property
    def decided_by(self) -> str:
        """The first hook that denies, or else the last one."""
        for hook in self.hooks:
            if not hook.allowed:
                return hook.decided_by
        return self.hooks[-1].decided_by if self.hooks else "no policy applies to either end"
