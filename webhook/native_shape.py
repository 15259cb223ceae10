"""Native shape: what a native policy of ours is, as a value of CEL text; which there are is said elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from webhook import cel
from webhook.api import Manifest
from webhook.policy.settings import Mode, Settings

DOMAIN = "isolation-baseline.io"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold; `why` is CEL for the line `object: why; fix`, which may hold no line break."""

    rule: str
    holds: str
    why: str


@dataclass(frozen=True, slots=True)
class Native:
    """
    One policy: the requests that it matches, and what must then hold.

    One that `guards` has our webhook configuration as its parameter. When that is missing, whatever the rules match is
    refused before any condition is looked at; so `rules`, `excluded` and `spared` (namespaces, by the one label that
    nobody can change) name only what may stop then.
    """

    name: str
    rules: tuple[Manifest, ...]
    checks: tuple[Check, ...]
    conditions: tuple[tuple[str, str], ...] = ()
    excluded: tuple[Manifest, ...] = ()
    spared: tuple[str, ...] = ()
    guards: bool = False


def resource_rule(
    group: str, resources: Iterable[str], operations: Iterable[str], names: Iterable[str] = ()
) -> Manifest:
    rule: Manifest = {
        "apiGroups": [group],
        "apiVersions": ["*"],
        "operations": list(operations),
        "resources": list(resources),
        "scope": "*",
    }
    return {**rule, "resourceNames": list(names)} if names else rule


def is_enforced(value: str, settings: Settings) -> str:
    """Whether the mode of the environment that this CEL text yields is enforce; as mode_of() in the core."""
    if settings.unassigned_mode is Mode.ENFORCE:
        return f"!({value} in {cel.listed(e.name for e in settings.environments if e.mode is not Mode.ENFORCE)})"
    return f"{value} in {cel.listed(e.name for e in settings.environments if e.mode is Mode.ENFORCE)}"


def is_enforced_there(settings: Settings) -> str:
    """The same for the namespace that the request is in."""
    label = cel.literal(settings.environment_label)
    return is_enforced(f"namespaceObject.metadata.?labels[?{label}].orValue('')", settings)
