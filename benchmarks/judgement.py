"""
How long one policy takes to be judged: p50, p99 and max of realistic and of hostile policies, cold and warm.

Cold: every selector is met for the first time, as after a start. Warm: the process has judged the same policies before,
as when GitOps applies them again. Times are of the processor, not of the clock. The reference is a loop of plain Python
on this machine, timed in the same run, so that figures of two machines can be compared.

Run: `python -m benchmarks.judgement [POLICIES]`.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from webhook.policy.objects import Action, Policy
from webhook.policy.parse import parse, parse_policy
from webhook.policy.ranges import parse_cidr
from webhook.policy.settings import Cidrs, Environment, Permit, Settings
from webhook.policy.undercut import peers
from webhook.policy.undercut.dead import dead_complaints
from webhook.policy.undercut.judge import block_complaints, leak_complaints
from webhook.policy.undercut.judgement import forget
from webhook.policy.undercut.one_sided import one_sided
from webhook.policy.world import World, frozen

Manifest = dict[str, Any]
TEAMS = ("shop", "pay", "search", "mail", "crm")
ENVIRONMENTS = ("dev", "test", "prod")


def world(namespaces: int = 1_000) -> World:
    settings = Settings(
        environments=tuple(map(Environment, ENVIRONMENTS)),
        permits=(Permit("test", "dev"),),
        cidrs=Cidrs(pods=(parse_cidr("10.240.0.0/16"),), egress=(parse_cidr("203.0.113.0/24"),)),
    )
    found = {}
    for number in range(namespaces):
        environment = ENVIRONMENTS[number % 3]
        name = f"{TEAMS[number % 5]}-{number}-{environment}"
        labels = {"kubernetes.io/metadata.name": name, "env": environment, "team": TEAMS[number % 5]}
        found[name] = parse({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    return World(settings, namespaces=frozen(found))  # type: ignore[arg-type]  # every one is a Namespace


def realistic(random: Random, number: int, names: Sequence[str]) -> Manifest:
    """What developers write: a handful of rules on labels, ports and environments; one in five is refused."""
    namespace = random.choice(names)
    environment = namespace.rpartition("-")[2]

    def source() -> Manifest:
        return random.choice(
            [
                {"selector": f"app == 'a{number % 50}'"},
                {"selector": f"app in {{'web', 'a{random.randrange(50)}'}} && tier != 'db'"},
                {"namespaceSelector": f"env == '{environment}'", "selector": f"app == 'b{random.randrange(50)}'"},
                {"namespaceSelector": f"kubernetes.io/metadata.name == '{namespace}'"},
                {"namespaceSelector": f"env == '{environment}' && team == '{random.choice(TEAMS)}'"},
                {"namespaceSelector": f"team == '{random.choice(TEAMS)}'"}
                if random.random() < 0.15
                else {"selector": "all()"},
            ]
        )

    rules = [
        {
            "action": "Allow",
            "protocol": "TCP",
            "source": source(),
            "destination": {"ports": [random.choice((80, 443, 8080))]},
        }
        for _ in range(1 + random.randrange(4))
    ]
    egress = [{"action": "Allow", "protocol": "TCP", "destination": {"nets": ["203.0.113.16/28"], "ports": [443]}}]
    return {
        "apiVersion": "projectcalico.org/v3",
        "kind": "NetworkPolicy",
        "metadata": {"name": f"p{number}", "namespace": namespace},
        "spec": {
            "order": 600 + number,
            "selector": f"app == 'a{number % 50}'",
            "types": ["Ingress", "Egress"],
            "ingress": rules,
            "egress": egress if random.random() < 0.5 else [],
        },
    }


def _policy(**spec: Any) -> Manifest:
    metadata = {"name": "hostile", "namespace": "shop-0-dev"}
    body = {"order": 600, "selector": "all()", "types": ["Ingress"], **spec}
    return {"apiVersion": "projectcalico.org/v3", "kind": "NetworkPolicy", "metadata": metadata, "spec": body}


def _nets(random: Random, count: int) -> list[str]:
    return [f"{random.randrange(1, 224)}.{random.randrange(256)}.{random.randrange(256)}.0/24" for _ in range(count)]


def _clauses(random: Random) -> str:
    """A selector of at most 1,024 characters whose truth is a puzzle: random clauses of three over eight labels."""
    text = ""
    while True:
        parts = [f"{random.choice(('', '!'))}has(l{random.randrange(8)})" for _ in range(3)]
        longer = f"{text} && ({' || '.join(parts)})" if text else f"({' || '.join(parts)})"
        if len(longer) > 1_000:
            return text
        text = longer


def hostile(random: Random) -> dict[str, Manifest]:
    allow, deny = {"action": "Allow"}, {"action": "Deny"}
    own = "projectcalico.org/namespace == 'shop-0-dev'"
    names = "', '".join(f"n{number}" for number in range(110))
    return {
        "1,024 rules x 256 nets, refused": _policy(
            ingress=[{**allow, "source": {"nets": _nets(random, 256)}} for _ in range(1_024)]
        ),
        "1,024 rules x 256 nets of denials, then an Allow": _policy(
            ingress=[
                *({**deny, "source": {"nets": _nets(random, 256)}} for _ in range(1_023)),
                {**allow, "source": {"namespaceSelector": "all()"}},
            ]
        ),
        "512 denials and 512 allows in turn": _policy(
            ingress=[
                {**(deny if at % 2 else allow), "source": {"namespaceSelector": f"env != 'dev' || l{at} == '{at}'"}}
                for at in range(1_024)
            ]
        ),
        "1,024 allows of the own environment": _policy(
            ingress=[{**allow, "source": {"namespaceSelector": f"env == 'dev' && l == '{at}'"}} for at in range(1_024)]
        ),
        "selectors of 1,024 characters, 64 rules": _policy(
            ingress=[{**allow, "source": {"namespaceSelector": _clauses(random)}} for _ in range(64)]
        ),
        "a puzzle behind 40 puzzles": _policy(
            ingress=[
                *({**deny, "source": {"namespaceSelector": _clauses(random)}} for _ in range(40)),
                {**allow, "source": {"namespaceSelector": _clauses(random)}},
            ]
        ),
        "110 names in a selector, 200 rules": _policy(
            ingress=[
                {**allow, "source": {"namespaceSelector": f"kubernetes.io/metadata.name in {{'{names}', 'x{at}'}}"}}
                for at in range(200)
            ]
        ),
        "ports in pieces": _policy(
            ingress=[
                {
                    **deny,
                    "protocol": "TCP",
                    "destination": {"ports": [f"{port}:{port + 1}" for port in range(low, low + 2_500, 50)]},
                }
                for low in range(1, 60_000, 60)
            ]
            + [{**allow, "protocol": "TCP", "source": {"namespaceSelector": "env != 'dev'"}}]
        ),
        "contains on contains": _policy(
            ingress=[
                {
                    **allow,
                    "source": {
                        "selector": f"{own} && "
                        + " && ".join(f"a contains '{'ab' * (at % 9 + 1)}'" for at in range(40))
                    },
                }
            ]
        ),
    }


def refuse(policy: Policy, at: World) -> int:
    """The three questions by which a policy is refused."""
    passes = leak_complaints(policy, at, Action.PASS)
    return sum(1 for _ in (*leak_complaints(policy, at), *passes, *block_complaints(policy, at)))


def judge(policy: Policy, at: World) -> int:
    """All five, as the guard asks them: with the warnings about rules that decide nothing, and about the other end."""
    return refuse(policy, at) + sum(1 for _ in (*dead_complaints(policy, at), *one_sided(policy, at)))


def forget_all() -> None:
    peers.residual.cache_clear()
    peers.named_namespaces.cache_clear()
    forget()


def timed(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return (time.process_time() - start) * 1_000


def _timed(asked: Callable[[Policy, World], int], policy: Policy, at: World) -> float:
    return timed(lambda: asked(policy, at))


def reference() -> float:
    """Milliseconds for a fixed amount of plain Python; the best of several."""

    def work() -> int:
        total, table = 0, {number: number * 7 for number in range(64)}
        for number in range(20_000):
            total += table[number & 63] ^ number
        return total

    return min(timed(work) for _ in range(20))


def report(title: str, times: list[float], unit: float) -> None:
    ordered = sorted(times)
    p50, p99 = statistics.median(ordered), ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    print(f"{title:<52} p50 {p50:8.3f}  p99 {p99:8.3f}  max {ordered[-1]:8.3f} ms   p50 {p50 / unit:7.3f} references")


def main(count: int = 2_000) -> None:
    random = Random(1)
    unit = reference()
    print(f"reference loop {unit:.3f} ms; a world of 1,000 namespaces; {count} realistic policies")
    at = world()
    names = list(at.namespaces)
    policies = [parse_policy(realistic(random, number, names)) for number in range(count)]
    judge(policies[0], at)
    accepted = {policy.ref for policy in policies if not refuse(policy, at)}
    for question, asked in (("refused or not", refuse), ("with all warnings", judge)):
        for state in ("cold", "warm"):
            if state == "cold":
                forget_all()
            # Others are equal to those before, as when they come in another request.
            subjects = [replace(policy) for policy in policies]
            times = [(policy.ref in accepted, _timed(asked, policy, at)) for policy in subjects]
            report(f"realistic, {question}, {state}, accepted", [ms for good, ms in times if good], unit)
            report(f"realistic, {question}, {state}, all", [ms for _, ms in times], unit)
    for title, manifest in hostile(random).items():
        policy = parse_policy(manifest)
        taken = []
        for _ in range(3):
            forget_all()
            taken.append(_timed(judge, replace(policy), at))
        report(f"hostile: {title}", taken, unit)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
