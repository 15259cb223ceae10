"""Native guard: writes stop while the webhook configuration by which we would judge them is missing or weakened."""

from __future__ import annotations

from collections.abc import Iterable

from webhook import cel, scope
from webhook.api import Manifest
from webhook.native_objects import baseline_groups
from webhook.native_shape import DOMAIN, Check, Native, resource_rule
from webhook.policy.objects import CalicoApi
from webhook.policy.settings import Settings
from webhook.scope import Path
from webhook.webhooks import (
    CONFIGURATION_NAME,
    ENFORCER_KEYS,
    NAMESPACES,
    POLICIES,
    Reached,
    Webhook,
    entry,
    exempt_namespaces,
)

# A longer wait would hold up the writer, a shorter one refuses; neither lets anything through.
MAX_TIMEOUT_SECONDS = 10


def guard_present_for_namespaces(settings: Settings, reached: Reached) -> Native:
    """
    Creating and editing namespaces stops while nobody would judge it; the subresources go on.

    The namespace controller works through those; what tenants can do there is held by `namespaces` below.
    """
    return _guard_present(
        _intact(NAMESPACES, settings, reached),
        "namespaces",
        rules=(resource_rule("", ["namespaces"], ["CREATE", "UPDATE"]),),
        conditions=scope.match_conditions(
            Path.NAMESPACE, settings.environment_label, exempt_namespaces(settings, reached)
        ),
        settings=settings,
        spared=exempt_namespaces(settings, reached),
    )


def guard_present_for_policies(settings: Settings, reached: Reached, api: CalicoApi) -> Native:
    """
    Writing policies stops, but for Calico's own tiers; so does deleting the baseline by name.

    A deletion without a name is a collection's, which is how a namespace empties itself: see `baseline-present`. By
    name `<namespace>-ns-allow` cannot be listed here: while our configuration is missing it can be deleted, which
    takes connections away and opens none.
    """
    rules = [
        resource_rule(row.group, row.resources, ["CREATE", "UPDATE"]) for row in scope.JUDGED if row.path is Path.POLICY
    ]
    rules += [
        resource_rule(group, ["globalnetworkpolicies", "networkpolicies"], ["DELETE"], scope.BASELINE_NAMES)
        for group in baseline_groups(api)
    ]
    return _guard_present(
        _intact(POLICIES, settings, reached),
        "policies",
        rules=tuple(rules),
        conditions=scope.match_conditions(
            Path.POLICY, settings.environment_label, exempt_namespaces(settings, reached)
        ),
        settings=settings,
        spared=exempt_namespaces(settings, reached),
        excluded=tuple(
            resource_rule(group, ["tiers"], ["CREATE", "UPDATE"], cel.CALICO_TIERS) for group in scope.CALICO_GROUPS
        ),
    )


def _guard_present(
    intact: str,
    name: str,
    *,
    rules: tuple[Manifest, ...],
    conditions: list[dict[str, str]],
    settings: Settings,
    spared: Iterable[str],
    excluded: tuple[Manifest, ...] = (),
) -> Native:
    """
    Requests that the webhook would be asked about, by the same conditions, while its configuration is not intact.

    While it is, they pass on: a policy that refuses first takes the webhook's voice.
    """
    why = f"its webhook {name}.{DOMAIN} is missing or weakened, so nobody would judge this write; restore it"
    return Native(
        name=f"guard-present-{name}",
        rules=rules,
        conditions=(
            *((c["name"], c["expression"]) for c in conditions),
            ("not-break-glass", f"!({cel.is_one_of(settings.break_glass)})"),
        ),
        checks=(
            Check("guard-present", intact, cel.literal(f"ValidatingWebhookConfiguration {CONFIGURATION_NAME}: {why}")),
        ),
        excluded=excluded,
        spared=tuple(sorted(spared)),
        guards=True,
    )


def _intact(webhook: Webhook, settings: Settings, reached: Reached) -> str:
    """Whether the configuration that is the policy's parameter still has the webhook as it was generated."""
    wanted = entry(webhook, settings, reached)
    terms = [
        f"w.name == {cel.literal(webhook.name)}",
        "w.failurePolicy == 'Fail'",
        "w.matchPolicy == 'Equivalent'",
        f"w.timeoutSeconds <= {MAX_TIMEOUT_SECONDS}",
        *_rules(wanted["rules"]),
        "has(w.matchConditions)",
        f"w.matchConditions.map(c, c.expression) == {_texts(c['expression'] for c in wanted['matchConditions'])}",
        *_selectors(settings),
        *_client_config(wanted["clientConfig"]),
    ]
    return f"has(params.webhooks) && params.webhooks.exists(w, {cel.all_of(*terms)})"


def _texts(texts: Iterable[str]) -> str:
    return f"[{', '.join(cel.literal(text) for text in texts)}]"


def _rules(rules: list[Manifest]) -> list[str]:
    fields = ("apiGroups", "apiVersions", "operations", "resources")
    terms = [f"w.rules.map(r, r.{f}) == [{', '.join(_texts(rule[f]) for rule in rules)}]" for f in fields]
    return ["has(w.rules)", *terms, "w.rules.all(r, !has(r.scope) || r.scope == '*')"]


def _selectors(settings: Settings) -> list[str]:
    """None at all, but for the one that AKS's enforcer may add: on labels that managed namespaces may not have."""
    keys = cel.listed(key for key in ENFORCER_KEYS if key in settings.exempting_labels)
    tolerated = f"e.key in {keys} && e.operator in ['NotIn', 'DoesNotExist']"
    selector = "w.namespaceSelector"
    return [
        "!has(w.objectSelector) || (!has(w.objectSelector.matchLabels) && !has(w.objectSelector.matchExpressions))",
        f"!has({selector}) || (!has({selector}.matchLabels) && "
        f"(!has({selector}.matchExpressions) || {selector}.matchExpressions.all(e, {tolerated})))",
    ]


def _client_config(config: Manifest) -> list[str]:
    # Not which authority: it rotates, and a wrong one makes the call fail, which refuses.
    terms = ["has(w.clientConfig.caBundle) && w.clientConfig.caBundle.size() > 0"]
    if "url" in config:
        return [*terms, f"has(w.clientConfig.url) && w.clientConfig.url == {cel.literal(config['url'])}"]
    service = config["service"]
    same = " && ".join(
        f"w.clientConfig.service.{field} == {cel.literal(service[field])}" for field in ("namespace", "name", "path")
    )
    return [*terms, f"has(w.clientConfig.service) && {same} && w.clientConfig.service.port == {service['port']}"]
