"""Evaluate: every finding about a subject or the whole world, and what a change adds to them; never an answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from webhook.policy.change import Change
from webhook.policy.environment import mode_of, strictest_mode
from webhook.policy.finding import Finding
from webhook.policy.objects import Namespace, Policy
from webhook.policy.rule import GuardRule
from webhook.policy.rules import RULES
from webhook.policy.settings import Mode
from webhook.policy.world import World

_TABLES: dict[type, tuple[GuardRule, ...]] = {}
_EVERYWHERE = frozenset(rule.id for rule in RULES if rule.everywhere)


def rules_for(subject: object) -> tuple[GuardRule, ...]:
    """List the rules that look at such a subject, in the order of the table."""
    kind = type(subject)
    if kind not in _TABLES:
        _TABLES[kind] = tuple(rule for rule in RULES if kind in rule.subjects)
    if isinstance(subject, Policy) and subject.staged:
        return tuple(rule for rule in _TABLES[kind] if rule.staged)
    return _TABLES[kind]


def findings(subject: object, world: World, *, to_repair: bool = True) -> tuple[Finding, ...]:
    """
    List the findings about one subject (an object, a Change, or the World as a whole), sorted, none twice.

    `to_repair` False leaves out the rules to which the controller sees by itself.
    """
    rules = rules_for(subject)
    found = {finding for rule in rules if to_repair or not rule.repaired for finding in rule.findings(subject, world)}
    return tuple(sorted(found))


def evaluate(world: World) -> tuple[Finding, ...]:
    """List the findings about everything in the world, sorted."""
    return tuple(sorted({finding for subject in subjects(world) for finding in findings(subject, world)}))


def subjects(world: World) -> Iterator[Any]:
    yield world
    yield from world.namespaces.values()
    yield from world.policies.values()
    yield from world.tiers.values()
    yield from world.network_sets.values()
    yield from world.host_endpoints.values()


def added(before: Iterable[Finding], after: Iterable[Finding]) -> tuple[Finding, ...]:
    """List the findings after that none before excuses: the ratchet, by Finding.key."""
    known = {finding.key for finding in before}
    return tuple(finding for finding in after if finding.key not in known)


def mode_for(finding: Finding, world: World, *states: Namespace | None) -> Mode:
    """
    Say what happens to a finding: the mode of its namespace's environment.

    What belongs to no namespace, or does harm beyond its own, touches every environment, and the strictest decides. So
    it does among the `states` of a namespace that is changed: nobody leaves an enforced environment for an audited one.
    """
    settings, ref = world.settings, finding.ref
    if finding.rule in _EVERYWHERE or (not ref.namespace and ref.kind != "Namespace"):
        return strictest_mode(settings)
    known = [state for state in (*states, world.namespaces.get(ref.namespace or ref.name)) if state is not None]
    modes = {mode_of(state.meta.labels.get(settings.environment_label), settings) for state in known}
    return next((mode for mode in (Mode.ENFORCE, Mode.WARN, Mode.AUDIT) if mode in modes), settings.unassigned_mode)


__all__ = ["Change", "added", "evaluate", "findings", "mode_for", "rules_for", "subjects"]
