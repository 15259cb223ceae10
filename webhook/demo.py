"""Demo: the article played by the real webhook and the real controller on a cluster in memory, and checked."""

from __future__ import annotations

import logging
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import click
import orjson

from webhook.api import NAMESPACES, RESOURCES, ClusterError, Manifest, name_of
from webhook.demo_cluster import DemoCluster
from webhook.demo_story import ARTICLE, ISOLATED, STAGES, Row, allow_from_test, allow_to_development, whoami_pods
from webhook.policy.plan import READY_FOR, READY_SECONDS
from webhook.roles import EXAMPLE_SETTINGS

WAIT_SECONDS = 20.0
_POLICIES = RESOURCES["crd.projectcalico.org/v1", "NetworkPolicy"]
_SOURCES = ("development", "test", "default")


class _Stage:
    """What the demo prints, and whether every check held."""

    def __init__(self, *, colour: bool) -> None:
        self.colour = colour
        self.failed: list[str] = []

    def title(self, text: str) -> None:
        click.echo()
        click.echo(self.style(text, bold=True))

    def say(self, text: str) -> None:
        click.echo(f"  {text}")

    def command(self, text: str) -> None:
        click.echo(f"  {self.style('$ ' + text, fg='cyan')}")

    def style(self, text: str, *, fg: str | None = None, bold: bool = False) -> str:
        return click.style(text, fg=fg, bold=bold) if self.colour else text

    def check(self, holds: bool, what: str) -> None:
        if not holds:
            self.failed.append(what)
            self.say(self.style(f"NOT AS IT SHOULD BE: {what}", fg="red", bold=True))

    def table(self, rows: tuple[Row, ...], expected: tuple[Row, ...]) -> None:
        width = max(len(row.title) for row in rows)
        click.echo("  " + " " * width + "".join(f"   from {source:<12}" for source in _SOURCES))
        for row, wanted in zip(rows, expected, strict=True):
            cells = []
            for source, cell, should in zip(_SOURCES, row.cells, wanted.cells, strict=True):
                self.check(cell == should, f"{row.title}: from {source} it is `{cell}`, should be `{should}`")
                mark, colour = ("✓", "green") if cell == "reaches" else ("✗", "yellow")
                cells.append(self.style(f"   {mark} {cell:<15}", fg=colour))
            click.echo(f"  {row.title:<{width}}" + "".join(cells))


@dataclass(frozen=True, slots=True)
class Born:
    """A namespace as the cluster stored it, with its policies and the seconds until the last was there."""

    manifest: Manifest
    policies: tuple[str, ...]
    seconds: float


@click.command()
@click.option("--colour/--no-colour", default=None, help="Colour even where, or never although, this is a terminal.")
def demo(colour: bool | None) -> None:
    """
    Play the whole story on an embedded cluster, and check every cell of it.

    The webhook that runs here is the real one, over HTTPS with certificates of its own, and so is the controller; only
    the cluster is in memory. Exit code 1 when anything is not as it should be.
    """
    logging.basicConfig(level=logging.ERROR)
    began = time.monotonic()
    stage = _Stage(colour=sys.stdout.isatty() if colour is None else colour)
    with tempfile.TemporaryDirectory(prefix="isolation-baseline-demo-") as directory:
        cluster = DemoCluster(Path(directory), EXAMPLE_SETTINGS)
        try:
            _play(stage, cluster)
        finally:
            cluster.stop()
    stage.title("Done" if not stage.failed else "Not everything is as it should be")
    stage.say(f"{time.monotonic() - began:.1f} s, {len(stage.failed)} of the checks failed")
    if not stage.failed:
        stage.say("On a cluster of yours: isolation-baseline dev --kubeconfig ~/.kube/config")
    sys.exit(1 if stage.failed else 0)


def _play(stage: _Stage, cluster: DemoCluster) -> None:
    stage.title("1  A cluster with the isolation baseline")
    stage.say(f"webhook at {cluster.url}, controller running, isolation floor in place before any namespace is")
    stage.check(cluster.has_floor(), "the isolation floor is there")

    stage.title("2  Two namespaces are born")
    for name in ("development", "test"):
        stage.command(f"kubectl create namespace {name}")
        born = _create_namespace(cluster, name)
        labels = (born.manifest["metadata"].get("labels") or {}).get("env", "(none)")
        stage.say(f"env={labels}   policies: {', '.join(born.policies)}   after {born.seconds:.3f} s")
        stage.check(labels == ("dev" if name == "development" else "test"), f"{name} has its env label")
        wanted = {"default-deny", "dns-allow", f"{name}-ns-allow"}
        stage.check(set(born.policies) == wanted, f"{name} has its three policies")
    for pod in whoami_pods():
        cluster.add_pod(pod)

    stage.title("3  The article, step by step: who reaches whoami-service in development?")
    stage.say("(as in the article, only development is isolated; each step adds one policy to those before)")
    stage.table(tuple(s.play(cluster.world()) for s in STAGES), ARTICLE)

    stage.title("4  A developer opens development to test, as the article does")
    stage.command("kubectl apply -f test-ns-allow.yaml      # order 600, ingress from env == 'test'")
    refusal = _try_create(cluster, allow_from_test())
    stage.say(refusal or "created")
    stage.check(not refusal, "the article's test-ns-allow is accepted")

    stage.title("5  In our world test is isolated too: one side is not enough")
    one_side = Row.of("ingress opened in development", cluster.world())
    stage.command("kubectl apply -f development-ns-egress.yaml      # in test: egress to env == 'dev', order 600")
    refusal = _try_create(cluster, allow_to_development())
    stage.check(not refusal, f"test's own egress policy is accepted {refusal}")
    both = Row.of("and egress opened in test", cluster.world())
    stage.table((one_side, both), ISOLATED)

    stage.title("6  The same policy with an order that comes too late")
    late = allow_from_test(name="too-late", order=6000)
    stage.command("kubectl apply -f too-late.yaml      # order 6000")
    refusal = _try_create(cluster, late)
    for line in refusal.splitlines():
        stage.say(stage.style(line, fg="yellow"))
    stage.check("[order-in-tenant-band]" in refusal, "an order of 6000 is refused, and says by which rule")

    stage.title("7  Somebody deletes default-deny")
    stage.command("kubectl delete networkpolicies.crd.projectcalico.org default-deny -n development")
    refusal = _try_delete(cluster, "default-deny", "development")
    for line in refusal.splitlines():
        stage.say(stage.style(line, fg="yellow"))
    stage.check(bool(refusal), "the baseline cannot be deleted")

    stage.title("8  A namespace goes")
    stage.command("kubectl delete namespace development")
    cluster.admin.delete(NAMESPACES, "development")
    left = [name_of(n) for n in cluster.admin.list(NAMESPACES).items]
    stage.say(f"namespaces left: {', '.join(sorted(left))}")
    stage.check("development" not in left, "a namespace that is deleted can empty itself")


def _create_namespace(cluster: DemoCluster, name: str) -> Born:
    cluster.admin.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        manifest = cluster.admin.get(NAMESPACES, name)
        annotations = manifest["metadata"].get("annotations") or {}
        if annotations.get(READY_FOR) == manifest["metadata"]["uid"]:
            found = cluster.admin.list(_POLICIES, name).items
            return Born(manifest, tuple(sorted(map(name_of, found))), float(annotations[READY_SECONDS]))
        if time.monotonic() > deadline:
            raise click.ClickException(f"namespace {name} got no baseline within {WAIT_SECONDS:.0f} s")
        time.sleep(0.005)


def _try_create(cluster: DemoCluster, manifest: Manifest) -> str:
    """What the API server says to a tenant, empty when it agrees."""
    try:
        cluster.tenant.create(_POLICIES, orjson.loads(orjson.dumps(manifest)))
    except ClusterError as e:
        return f"Error from server ({e.reason}): {e.message}"
    return ""


def _try_delete(cluster: DemoCluster, name: str, namespace: str) -> str:
    try:
        cluster.tenant.delete(_POLICIES, name, namespace)
    except ClusterError as e:
        return f"Error from server ({e.reason}): {e.message}"
    return ""
