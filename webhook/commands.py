"""Commands: the small ones that need no cluster: what a namespace would get, what a rule means, certificates."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import yaml

from webhook.policy.baseline import desired, isolation_floor, manifest
from webhook.policy.environment import assign
from webhook.policy.objects import CalicoApi, Labels, Meta, Namespace
from webhook.policy.rules import RULES
from webhook.policy.settings import UNASSIGNED
from webhook.policy.settings_file import load
from webhook.roles import EXAMPLE_SETTINGS

settings_option = click.option(
    "--settings",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=EXAMPLE_SETTINGS,
    show_default="the documented example",
    help="The settings file.",
)


class _Plain(yaml.SafeDumper):
    """Writes a list that stands twice twice: people read this, and not every tool knows anchors."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def manifests_text(manifests: Iterable[Mapping[str, Any]]) -> str:
    """Manifests as YAML documents, for people and for kubectl."""
    return yaml.dump_all(manifests, Dumper=_Plain, sort_keys=False, allow_unicode=True)


_API = click.Choice([api.value for api in CalicoApi])


@click.command()
@click.argument("namespace")
@settings_option
@click.option("--environment", default=None, help="As if the namespace claimed this environment by its label.")
@click.option("--api", type=_API, default=CalicoApi.V1.value, show_default=True, help="Which API to write for.")
@click.option("--floor", is_flag=True, help="The isolation floor too.")
def render(namespace: str, settings: Path, environment: str | None, api: str, floor: bool) -> None:
    """
    Print what a namespace of this name would get, as YAML.

    \b
    isolation-baseline render development
    isolation-baseline render shop --environment prod --floor
    """
    found = load(settings.read_text(encoding="utf-8"))
    claim = {found.environment_label: environment} if environment else {}
    assignment = assign(namespace, Labels(claim), found)
    for warning in assignment.warnings:
        click.echo(f"warning: {warning}", err=True)
    if assignment.environment is None:
        click.echo(f"isolation-baseline: {assignment.reason}", err=True)
        sys.exit(1)
    labels = Labels({found.environment_label: assignment.environment or UNASSIGNED})
    subject = Namespace(Meta(namespace, labels=labels))
    mode = CalicoApi(api)
    objects = [manifest(wanted, mode, found) for wanted in desired(subject, found)]
    if floor and mode is not CalicoApi.KUBERNETES:
        objects.append(manifest(isolation_floor(found), mode, found))
    click.echo(f"# {found.environment_label}={assignment.environment}: {assignment.reason}")
    click.echo(manifests_text(objects), nl=False)


@click.command()
@click.argument("rule", required=False)
def explain(rule: str | None) -> None:
    """
    Say what a rule demands, why, and how to comply; without a name, list all rules.

    \b
    isolation-baseline explain
    isolation-baseline explain order-in-tenant-band
    """
    known = {r.id: r for r in RULES}
    if rule is None:
        width = max(map(len, known))
        for name, found in sorted(known.items()):
            click.echo(f"{name:<{width}}  {found.documentation.title}")
        return
    if rule not in known:
        raise click.BadParameter(f"no rule {rule!r}; `isolation-baseline explain` lists them", param_hint="RULE")
    text = known[rule].documentation
    click.echo(f"{rule}: {text.title}\n\nWhy: {text.why}\n\nFix: {text.fix}")


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.argument("names", nargs=-1, required=True)
def certs(directory: Path, names: tuple[str, ...]) -> None:
    """
    Issue an authority and a serving certificate for NAMES into DIRECTORY; what is still good stays.

    \b
    isolation-baseline certs ./tls isolation-baseline-webhook.isolation-baseline.svc
    """
    from certs import store

    files = store.ensure(directory, names, now=datetime.now(UTC))
    for path in (files.authority, files.certificate, files.key):
        click.echo(str(path))
