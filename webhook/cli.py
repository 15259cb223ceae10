"""Cli: the commands of `isolation-baseline`; what they do is imported when they run, so that --help is quick."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping

import click

CLEAN, FINDINGS, USAGE, COULD_NOT_RUN = 0, 1, 2, 3

# Command -> module that holds it, under the same name with underscores.
_COMMANDS: Mapping[str, str] = {
    "serve": "webhook.roles",
    "control": "webhook.roles",
    "dev": "webhook.dev",
    "demo": "webhook.demo",
    "check": "webhook.analysis",
    "audit": "webhook.analysis",
    "flow": "webhook.analysis",
    "allow": "webhook.analysis",
    "order": "webhook.analysis",
    "render": "webhook.commands",
    "explain": "webhook.commands",
    "certs": "webhook.commands",
    "generate-deploy": "webhook.deploy",
}


class _Lazy(click.Group):
    """A group whose commands are imported when one of them, or its help, is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = _COMMANDS.get(cmd_name)
        if module is None:
            return None
        holder = importlib.import_module(module)
        name = cmd_name.replace("-", "_")
        # `allow` is also the function that the command calls.
        found = getattr(holder, f"{name}_command", None) or getattr(holder, name)
        assert isinstance(found, click.Command), "the table names commands only"
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as e:
            near = _near(args[0])
            if near:
                raise click.UsageError(f"{e.message} Did you mean {near!r}?", ctx) from e
            raise


def _near(word: str) -> str | None:
    import difflib

    return next(iter(difflib.get_close_matches(word, _COMMANDS, n=1)), None)


@click.group(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 clean, 1 findings, 2 usage, 3 could not run.",
)
@click.version_option(package_name="isolation-baseline")
def cli() -> None:
    """
    Every namespace isolated from its first second, on Calico.

    \b
    Try it without a cluster:        isolation-baseline demo
    Try it on a cluster:             isolation-baseline dev --kubeconfig ~/.kube/config
    See what a namespace would get:  isolation-baseline render development
    """


def main() -> None:
    """The console script; anything the world did wrong is one line and exit code 3."""
    from webhook.api import ClusterError
    from webhook.policy.objects import InvalidObject

    try:
        cli.main(prog_name="isolation-baseline", standalone_mode=True)
    except (ClusterError, InvalidObject, OSError) as e:
        click.echo(f"isolation-baseline: {e}", err=True)
        sys.exit(COULD_NOT_RUN)


if __name__ == "__main__":
    main()
