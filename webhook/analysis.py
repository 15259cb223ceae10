"""Analysis: the commands that look at a cluster or at files once: check, flow, order and audit."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import click
import orjson

from webhook import report
from webhook.cluster import connect
from webhook.commands import manifests_text, settings_option
from webhook.discovery import discover_calico_api
from webhook.policy.endpoints import PodRef
from webhook.policy.evaluate import findings, subjects
from webhook.policy.finding import Finding, Severity
from webhook.policy.flows import Flow
from webhook.policy.matrix import Cell, Matrix, rows
from webhook.policy.objects import CalicoApi, Direction, Meta, Pod
from webhook.policy.ports import PROTOCOLS_WITH_PORTS, PortRange, parse_port, parse_protocol
from webhook.policy.ranges import Cidr, RangeError, parse_address
from webhook.policy.settings_file import load
from webhook.policy.traffic import evaluator, verdict
from webhook.policy.undercut.opening import allow
from webhook.policy.undercut.witness import ReplayFailedError
from webhook.policy.world import World, frozen
from webhook.sources import Source, from_cluster, from_files

CLEAN, FINDINGS, COULD_NOT_RUN = 0, 1, 3
_ANY_POD = "any-pod"
_F = TypeVar("_F", bound=Callable[..., Any])

_output = click.option(
    "--output", "-o", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to print."
)


def _source(command: _F) -> _F:
    """The options that say where the world comes from."""
    for option in (
        click.option("--file", "-f", "files", multiple=True, metavar="PATH", help="Files or folders, - is stdin."),
        click.option("--kubeconfig", type=click.Path(exists=True, dir_okay=False), default=None, help="The cluster's."),
        settings_option,
    ):
        command = option(command)
    return command


class _Progress:
    """One line on a terminal's standard error that tells what is going on, and is gone at the end."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()

    def __call__(self, text: str) -> None:
        if self._shown:
            click.echo(f"\r\033[K{text}", nl=False, err=True)

    def done(self) -> None:
        if self._shown:
            click.echo("\r\033[K", nl=False, err=True)


def _read(files: tuple[str, ...], kubeconfig: str | None, settings: Path, progress: _Progress) -> Source:
    found = load(settings.read_text(encoding="utf-8"))
    try:
        if files:
            return from_files(files, found, CalicoApi.V1)
        cluster = connect(kubeconfig, user_agent="audit")
        return from_cluster(cluster, found, discover_calico_api(cluster), progress)
    finally:
        progress.done()


def _print_json(value: object) -> None:
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


@click.command()
@click.argument("paths", nargs=-1, required=True)
@settings_option
@_output
def check(paths: tuple[str, ...], settings: Path, output: str) -> None:
    """
    Judge the manifests of files as admission would, before they are pushed.

    Exit code 1 when anything would be refused; warnings alone are 0.

    \b
    isolation-baseline check policies/
    kustomize build . | isolation-baseline check -
    """
    source = _read(paths, None, settings, _Progress())
    # What the product itself would add is not the author's.
    judged = _judge(source.world, _Progress())
    found = tuple(f for f in judged.findings if f.ref in source.places)
    _tell(replace(judged, findings=found), source, output, None)


@click.command()
@_source
@_output
@click.option("--matrix/--no-matrix", default=True, show_default=True, help="Who may talk to whom, too.")
def audit(files: tuple[str, ...], kubeconfig: str | None, settings: Path, output: str, matrix: bool) -> None:
    """
    Every finding of a cluster, or of files, and who may talk to whom.

    \b
    isolation-baseline audit --kubeconfig ~/.kube/config
    isolation-baseline audit -f backup/ --output json
    """
    progress = _Progress()
    source = _read(files, kubeconfig, settings, progress)
    judged = _judge(source.world, progress)
    reach = _matrix(source.world, progress) if matrix else None
    progress.done()
    _tell(judged, source, output, reach)


@dataclass(frozen=True, slots=True)
class _Judged:
    """The findings, and the objects at which the guard's own reasoning failed: those are neither good nor bad."""

    findings: tuple[Finding, ...]
    failed: tuple[str, ...] = ()


def _judge(world: World, progress: _Progress) -> _Judged:
    found: set[Finding] = set()
    failed = []
    everything = list(subjects(world))
    for number, subject in enumerate(everything, 1):
        if number % 50 == 0:
            progress(f"judging: {number} of {len(everything)} objects")
        try:
            found |= set(findings(subject, world))
        except ReplayFailedError as e:
            failed.append(f"{getattr(subject, 'ref', 'the world')}: {e}")
    progress.done()
    return _Judged(tuple(sorted(found)), tuple(failed))


def _matrix(world: World, progress: _Progress) -> Matrix:
    names: list[str] = []
    cells: dict[tuple[str, str], Cell] = {}
    for name, row in rows(world):
        names.append(name)
        cells |= {(name, destination): cell for destination, cell in row.items()}
        progress(f"who may talk to whom: {len(names)} of {len(world.namespaces)} namespaces")
    return Matrix(tuple(names), frozen(cells))


def _tell(judged: _Judged, source: Source, output: str, reach: Matrix | None) -> None:
    found = judged.findings
    refused = [f for f in found if f.severity is Severity.DENY]
    if output == "json":
        value: dict[str, Any] = {
            "findings": [report.finding_value(f, source.place(f.ref)) for f in found],
            "unreadable": [{"place": place, "path": e.path, "message": e.message} for place, e in source.unreadable],
            "failed": list(judged.failed),
            "settings": source.world.settings.generation,
        }
        if reach is not None:
            value["matrix"] = report.matrix_value(reach)
        _print_json(value)
    else:
        for text in judged.failed:
            click.echo(f"could not be judged, please report this: {text}")
        for text in (report.unreadable_text(source.unreadable), report.findings_text(found, source.place)):
            if text:
                click.echo(text)
        if reach is not None:
            click.echo(report.matrix_text(reach))
        click.echo(
            f"{len(refused)} findings, {len(found) - len(refused)} warnings, {len(source.unreadable)} unreadable"
        )
    if judged.failed:
        sys.exit(COULD_NOT_RUN)
    sys.exit(FINDINGS if refused or source.unreadable else CLEAN)


@click.command()
@click.argument("src")
@click.argument("dst")
@click.argument("port")
@_source
@_output
def flow(
    src: str, dst: str, port: str, files: tuple[str, ...], kubeconfig: str | None, settings: Path, output: str
) -> None:
    """
    Whether a connection passes, and which rule decides at each end.

    SRC and DST are namespace/pod, a namespace alone (a pod of it without labels), or an address; PORT is 80, UDP/53,
    or ICMP. Exit code 1 when the connection is denied.

    \b
    isolation-baseline flow test/api development/web 8080
    isolation-baseline flow -f manifests/ test development TCP/80
    """
    asked, world = _asked(src, dst, port, _read(files, kubeconfig, settings, _Progress()).world)
    found = verdict(asked, world)
    if output == "json":
        _print_json(report.verdict_value(found))
    else:
        click.echo(report.verdict_text(found))
    sys.exit(CLEAN if found.allowed else FINDINGS)


def _asked(src: str, dst: str, port: str, world: World) -> tuple[Flow, World]:
    """The flow that three words mean, and the world with the pods that they stand for."""
    protocol, number = parse_target(port)
    ends = []
    for text in (src, dst):
        world, end = resolve(text, world)
        ends.append(end)
    return Flow(ends[0], ends[1], protocol, number), world


@click.command("allow")
@click.argument("src")
@click.argument("dst")
@click.argument("port")
@_source
@_output
def allow_command(
    src: str, dst: str, port: str, files: tuple[str, ...], kubeconfig: str | None, settings: Path, output: str
) -> None:
    """
    Print the smallest policies that open exactly one connection, for both its ends.

    SRC, DST and PORT are as for flow; policies are printed only for ends that are closed, and only after the guard has
    judged them and the connection was tried with them. Exit code 1 when settings do not permit the connection.

    \b
    isolation-baseline allow test/api development/web 8080 | kubectl apply -f -
    """
    asked, world = _asked(src, dst, port, _read(files, kubeconfig, settings, _Progress()).world)
    found = allow(asked, world)
    if output == "json":
        value = {
            "policies": found.policies,
            "refusals": found.refusals,
            "before": report.verdict_value(found.before),
            "after": report.verdict_value(found.after),
        }
        _print_json(value)
    elif found.refusals:
        for refusal in found.refusals:
            click.echo(f"isolation-baseline: {refusal}", err=True)
        click.echo(f"ask: {world.settings.contact}", err=True)
    elif not found.policies:
        click.echo("# allowed already: no policy is missing")
    else:
        click.echo(manifests_text(found.policies), nl=False)
    sys.exit(FINDINGS if found.refusals else CLEAN)


def parse_target(text: str) -> tuple[int, int]:
    """Read `80`, `UDP/53`, `ICMP`: a protocol number and a port."""
    name, _, port = text.rpartition("/")
    try:
        if not name and not port.isdigit():
            return parse_protocol(port), 0
        protocol = parse_protocol(name or "TCP")
        found = parse_port(port)
    except RangeError as e:
        raise click.BadParameter(f"expected 80, UDP/53 or ICMP: {e}", param_hint="PORT") from None
    if not isinstance(found, PortRange) or found.low != found.high or protocol not in PROTOCOLS_WITH_PORTS:
        raise click.BadParameter("expected one port number, such as 80 or UDP/53", param_hint="PORT")
    return protocol, found.low


def resolve(text: str, world: World) -> tuple[World, PodRef | Cidr]:
    """The end that a word means; a namespace alone stands for a pod of it that has no labels."""
    try:
        return world, parse_address(text)
    except RangeError:
        namespace, _, name = text.partition("/")
    if namespace not in world.namespaces:
        known = ", ".join(sorted(world.namespaces)[:8]) or "none"
        raise click.BadParameter(f"there is no namespace {namespace!r}; there are: {known}")
    if name and (namespace, name) not in world.pods:
        known = ", ".join(sorted(n for ns, n in world.pods if ns == namespace)[:8]) or "none"
        raise click.BadParameter(f"there is no pod {text!r}; there are: {known}")
    if not name:
        name = _ANY_POD
        pod = Pod(Meta(name, namespace=namespace))
        world = replace(world, pods=frozen({**world.pods, (namespace, name): pod}))
    return world, PodRef(namespace, name)


@click.command()
@click.argument("namespace")
@_source
@_output
def order(namespace: str, files: tuple[str, ...], kubeconfig: str | None, settings: Path, output: str) -> None:
    """
    Every policy that has a say about the pods of a namespace, in the order in which Calico asks them.

    \b
    isolation-baseline order development --kubeconfig ~/.kube/config
    """
    source = _read(files, kubeconfig, settings, _Progress())
    world, end = resolve(namespace, source.world)
    assert isinstance(end, PodRef), "a namespace is no address"
    found = []
    for direction in Direction:
        for stack in evaluator(world).stack(end, direction):
            found += [
                {
                    "direction": direction.value,
                    "tier": stack.tier.name,
                    "tierOrder": stack.tier.order,
                    "order": None if policy.order == float("inf") else policy.order,
                    "policy": str(policy.ref),
                    "staged": policy.staged,
                }
                for policy in stack.policies
            ]
    if output == "json":
        _print_json(found)
        return
    for direction in Direction:
        click.echo(f"{direction.value.lower()} of pods in {namespace}")
        for item in found:
            if item["direction"] == direction.value:
                shown = "none" if item["order"] is None else f"{item['order']:g}"
                staged = "  (staged: decides nothing)" if item["staged"] else ""
                click.echo(f"  tier {item['tier']:<10} order {shown:>7}  {item['policy']}{staged}")
