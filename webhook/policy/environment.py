"""Environment: which one a namespace belongs to by its label and name, and who may claim it; nothing is stored here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from webhook.policy.objects import User
from webhook.policy.settings import UNASSIGNED, Identities, Mode, Settings, Unmatched

# The API server appends five characters and cuts the prefix, so that the name stays within 63.
GENERATED_SUFFIX = 5
MAX_GENERATED_PREFIX = 63 - GENERATED_SUFFIX


@dataclass(frozen=True, slots=True)
class Assignment:
    """
    What a namespace gets: an environment, or a refusal (then `environment` is None), or neither when it is exempt.

    `reason` is why, in words that follow "because". `warnings` are lines for whoever creates the namespace.
    """

    environment: str | None
    reason: str
    refusal: str = ""
    warnings: tuple[str, ...] = ()


def is_exempt(name: str, settings: Settings) -> bool:
    """Say whether the platform team took this namespace out, by its exact name: never by a label or a prefix."""
    return name in settings.exempt_namespaces


def assign(name: str, labels: Mapping[str, str], settings: Settings, *, generate_name: str = "") -> Assignment:
    """
    Decide on the environment of a namespace.

    Without a name (generateName, as the mutating webhook sees it) only what holds of every name that the API server
    may make of the prefix counts.
    """
    if name and is_exempt(name, settings):
        return Assignment(None, "the namespace is exempt")
    shown = name or f"{generate_name}*"
    fits = by_name(name, settings) if name else by_prefix(generate_name, settings)
    claimed = labels.get(settings.environment_label)
    if claimed is not None:
        return Assignment(
            claimed, f"its label {settings.environment_label} says so", warnings=_conflict(shown, claimed, fits)
        )
    if len(fits) == 1:
        return Assignment(fits[0], f"the name {shown} fits environments.{fits[0]}.names")
    why = f"the name {shown} fits " + (f"several environments ({', '.join(fits)})" if fits else "no environment")
    if settings.unmatched is Unmatched.DENY:
        return Assignment(None, why, refusal=f"{why}, and settings refuse such namespaces")
    known = ", ".join(environment.name for environment in settings.environments) or "none is declared"
    remedy = f"create it with label {settings.environment_label}=… ({known}) to change that"
    warning = f"namespace {shown} is isolated from everything: {why}; {remedy}"
    return Assignment(UNASSIGNED, why, warnings=(warning,))


def _conflict(shown: str, claimed: str, fits: tuple[str, ...]) -> tuple[str, ...]:
    if not fits or claimed in fits:
        return ()
    return (f"namespace {shown} claims environment {claimed} by label although its name fits {', '.join(fits)}",)


def by_name(name: str, settings: Settings) -> tuple[str, ...]:
    """List the environments that the name fits; one that is written out wins over patterns."""
    exact = tuple(e.name for e in settings.environments if name in e.names)
    return exact or tuple(e.name for e in settings.environments if any(fits(pattern, name) for pattern in e.names))


def by_prefix(prefix: str, settings: Settings) -> tuple[str, ...]:
    """List the environments that every name generated from the prefix fits."""
    kept = prefix[:MAX_GENERATED_PREFIX]
    # A random suffix never has to end in a literal, so only an open end can fit all of them.
    return tuple(e.name for e in settings.environments if any(p.endswith("*") and fits(p, kept) for p in e.names))


def fits(pattern: str, name: str) -> bool:
    """Say whether a name fits a pattern in which `*` is any run of characters, also none."""
    # No regular expression: `*a*a*a…` would make one backtrack without end.
    first, *others = pattern.split("*")
    if not others:
        return name == pattern
    *middle, last = others
    if not name.startswith(first) or not name.endswith(last) or len(first) + len(last) > len(name):
        return False
    at, end = len(first), len(name) - len(last)
    for part in middle:
        found = name.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def is_known(environment: str, settings: Settings) -> bool:
    return environment == UNASSIGNED or settings.environment(environment) is not None


def may_claim(user: User, environment: str, settings: Settings) -> bool:
    """Say whether the user may create a namespace of the environment; `unassigned` is anyone's, it reaches nobody."""
    declared = settings.environment(environment)
    if declared is None or declared.claimable_by is None:
        return True
    return is_one_of(user, declared.claimable_by)


def is_one_of(user: User, identities: Identities) -> bool:
    return user.name in identities.users or not identities.groups.isdisjoint(user.groups)


def mode_of(environment: str | None, settings: Settings) -> Mode:
    """Say what happens to findings in a namespace of the environment; one without a declared one is `unassigned`."""
    declared = settings.environment(environment) if environment is not None else None
    return declared.mode if declared is not None else settings.unassigned_mode


def strictest_mode(settings: Settings) -> Mode:
    """Say what happens to findings about objects that touch every environment."""
    modes = {environment.mode for environment in settings.environments} | {settings.unassigned_mode}
    return next(mode for mode in (Mode.ENFORCE, Mode.WARN, Mode.AUDIT) if mode in modes)
