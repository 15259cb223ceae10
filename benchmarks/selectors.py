"""
Benchmark of selectors: reading, matching and satisfiability, on what people write and on what an attacker would.

    python benchmarks/selectors.py

Every row is p50, p99 and maximum in microseconds of processor time, and the p50 as a ratio to the reference:
`json.loads` of some 900 characters on the same machine in the same run, so that machines can be compared.
"""

import json
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from sys import path

path.insert(0, str(Path(__file__).resolve().parent.parent))

from webhook.policy import selector_parser
from webhook.policy.ranges import AddressSet, parse_cidr
from webhook.policy.satisfy import Domain, Satisfiability, one_of, satisfiable
from webhook.policy.selectors import Selector, parse

LENGTH = 1024  # characters: the CRDs' limit
ENVIRONMENTS: list[dict[str, Domain]] = [
    {"pcns.env": one_of(["dev"])},
    {"pcns.env": one_of(["test"])},
    {"pcns.env": one_of(["prod"])},
    {"pcns.env": one_of([], or_absent=True)},
]
TYPICAL = "app == 'web' && tier in {'front', 'back'} && !has(legacy)"


def comparison(choice: random.Random) -> str:
    key = choice.choice(["pcns.env", "app", "team", "tier", "role", "version", "k8s.io/part-of"])
    value = choice.choice(["dev", "test", "prod", "web", "db", "api", "v1", "v1.2", "es", "-"])
    form = choice.choice(
        [
            "{k} == '{v}'",
            "{k} != '{v}'",
            "has({k})",
            "!has({k})",
            "{k} in {{'{v}', 'x{v}'}}",
            "{k} not in {{'{v}', 'x'}}",
            "{k} contains '{v}'",
            "!{k} contains '{v}'",
            "{k} starts with '{v}'",
            "!{k} ends with '{v}'",
        ]
    )
    return form.format(k=key, v=value)


def long_selector(choice: random.Random) -> str:
    """Clauses of one to three comparisons, as many as a custom resource can hold."""
    text = ""
    while True:
        clause = "(" + " || ".join(comparison(choice) for _ in range(choice.choice([1, 2, 2, 3]))) + ")"
        longer = clause if not text else f"{text} && {clause}"
        if len(longer) > LENGTH:
            return text
        text = longer


def three_sat(choice: random.Random, variables: int, clauses: int) -> str:
    def literal() -> str:
        return choice.choice(["", "!"]) + f"has({choice.randrange(variables):x})"

    return "&&".join(f"({literal()}||{literal()}||{literal()})" for _ in range(clauses))


def pigeons(holes: int) -> str:
    """One more pigeon than holes: unsatisfiable, and hard to see for a search without counting."""
    seated = ["(" + "||".join(f"has(p{p}h{h})" for h in range(holes)) + ")" for p in range(holes + 1)]
    alone = [f"!(has(p{p}h{h})&&has(p{q}h{h}))" for h in range(holes) for p in range(holes + 1) for q in range(p)]
    return "&&".join([*seated, *alone])


def superstring(choice: random.Random, parts: int) -> str:
    return "&&".join(f"a contains '{''.join(choice.choice('ab') for _ in range(12))}'" for _ in range(parts))


def times(work: Callable[[], object], repeat: int = 1) -> float:
    started = time.process_time()
    for _ in range(repeat):
        work()
    return (time.process_time() - started) / repeat * 1e6


def row(name: str, samples: Sequence[float], reference: float, note: str = "") -> None:
    ordered = sorted(samples)
    p50, p99 = statistics.median(ordered), ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    print(f"{name:44} {p50:11.2f} {p99:11.2f} {ordered[-1]:11.2f} {p50 / reference:9.3f}  {note}")


def solved(name: str, selectors: Sequence[Selector], reference: float) -> None:
    answers: Counter[str] = Counter()
    samples = []
    for selector in selectors:
        for environment in ENVIRONMENTS:
            started = time.process_time()
            found: Satisfiability = satisfiable(selector, environment)
            samples.append((time.process_time() - started) * 1e6)
            answers[type(found).__name__] += 1
    row(name, samples, reference, ", ".join(f"{count} {answer}" for answer, count in sorted(answers.items())))


def main() -> None:
    choice = random.Random(20)
    document = json.dumps({f"label-{n}": f"value-{n}" for n in range(38)})[:LENGTH]
    document = document[: document.rindex(",")] + "}"
    reference = statistics.median(times(lambda: json.loads(document), 20) for _ in range(200))
    print(f"reference: json.loads of {len(document)} characters, {reference:.2f} µs\n")
    print(f"{'':44} {'p50 µs':>11} {'p99 µs':>11} {'max µs':>11} {'ratio':>9}")
    texts = [long_selector(choice) for _ in range(300)]
    read = selector_parser._parse
    row("read a typical selector", [times(lambda: read(TYPICAL), 10) for _ in range(300)], reference)
    row("read a typical selector, seen before", [times(lambda: parse(TYPICAL), 100) for _ in range(300)], reference)
    row("read 1,024 characters", [times(lambda t=text: read(t)) for text in texts], reference)  # type: ignore[misc]
    row("read 100,000 open parentheses", [times(lambda: failing("(" * 100_000)) for _ in range(20)], reference)
    row("read 100,000 negations", [times(lambda: failing("!" * 100_000)) for _ in range(20)], reference)
    typical, labels = parse(TYPICAL), {"app": "web", "tier": "back", "env": "dev"}
    row("match a typical selector", [times(lambda: typical.matches(labels), 100) for _ in range(300)], reference)
    long = [parse(text) for text in texts]
    row("match 1,024 characters", [times(lambda s=one: s.matches(labels), 100) for one in long], reference)  # type: ignore[misc]
    solved("solve a typical selector", [typical] * 50, reference)
    solved("solve 1,024 characters", long, reference)
    solved("solve 3-SAT, 1,024 characters, 8 labels", [parse(three_sat(choice, 8, 34)) for _ in range(50)], reference)
    solved("solve 3-SAT, no limit, 60 labels", [parse(three_sat(choice, 60, 258)) for _ in range(5)], reference)
    solved("solve 5 pigeons in 4 holes", [parse(pigeons(4))], reference)
    solved("solve 10 pigeons in 9 holes", [parse(pigeons(9))], reference)
    solved("solve superstrings, 1,024 characters", [parse(superstring(choice, 33)) for _ in range(5)], reference)
    nets = [f"10.{choice.randrange(256)}.{choice.randrange(64) * 4}.0/22" for _ in range(256)]
    row("read 256 networks", [times(lambda: list(map(parse_cidr, nets))) for _ in range(100)], reference)
    cidrs = list(map(parse_cidr, nets))
    some = AddressSet.from_cidrs(cidrs)
    row("make a set of 256 networks", [times(lambda: AddressSet.from_cidrs(cidrs)) for _ in range(100)], reference)
    row("all but 256 networks, as networks", [times(lambda: some.complement().cidrs()) for _ in range(100)], reference)


def failing(text: str) -> None:
    try:
        parse(text)
    except ValueError:
        return
    raise AssertionError("a hostile text was read")


if __name__ == "__main__":
    main()
