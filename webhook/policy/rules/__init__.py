"""The rules of the guard, in the order of their documentation: one function, one docstring, one test table each."""

from webhook.policy.rules.allows_stay_under_ceiling import allows_stay_under_ceiling
from webhook.policy.rules.baseline_names_reserved import baseline_names_reserved
from webhook.policy.rules.baseline_present import baseline_present
from webhook.policy.rules.baseline_unchanged import baseline_unchanged
from webhook.policy.rules.default_action_safe import default_action_safe
from webhook.policy.rules.dns_not_blocked import dns_not_blocked
from webhook.policy.rules.environment_claim_permitted import environment_claim_permitted
from webhook.policy.rules.environment_known import environment_known
from webhook.policy.rules.environment_unchanged import environment_unchanged
from webhook.policy.rules.exempting_labels_reserved import exempting_labels_reserved
from webhook.policy.rules.global_selector_alone import global_selector_alone
from webhook.policy.rules.labels_not_forged import labels_not_forged
from webhook.policy.rules.metadata_annotation_honest import metadata_annotation_honest
from webhook.policy.rules.namespace_finalizers_kept import namespace_finalizers_kept
from webhook.policy.rules.narrowing_has_no_effect import narrowing_has_no_effect
from webhook.policy.rules.nets_are_cidrs import nets_are_cidrs
from webhook.policy.rules.nets_outside_cluster import nets_outside_cluster
from webhook.policy.rules.openings_have_two_sides import openings_have_two_sides
from webhook.policy.rules.order_declared import order_declared
from webhook.policy.rules.order_in_tenant_band import order_in_tenant_band
from webhook.policy.rules.order_not_before_baseline import order_not_before_baseline
from webhook.policy.rules.passes_do_not_bypass_baseline import passes_do_not_bypass_baseline
from webhook.policy.rules.pod_address_not_claimed import pod_address_not_claimed
from webhook.policy.rules.ports_valid import ports_valid
from webhook.policy.rules.ready_mark_honest import ready_mark_honest
from webhook.policy.rules.rule_can_decide import rule_can_decide
from webhook.policy.rules.rules_take_effect import rules_take_effect
from webhook.policy.rules.selector_literals_not_rewritten import selector_literals_not_rewritten
from webhook.policy.rules.selectors_not_blank import selectors_not_blank
from webhook.policy.rules.selectors_parse import selectors_parse
from webhook.policy.rules.service_account_names_valid import service_account_names_valid
from webhook.policy.rules.staged_would_undercut import staged_would_undercut
from webhook.policy.rules.tier_kept import tier_kept
from webhook.policy.rules.tier_permitted import tier_permitted
from webhook.policy.rules.types_declared import types_declared

RULES = (
    environment_known,
    environment_claim_permitted,
    environment_unchanged,
    exempting_labels_reserved,
    namespace_finalizers_kept,
    ready_mark_honest,
    baseline_present,
    baseline_unchanged,
    baseline_names_reserved,
    order_declared,
    order_in_tenant_band,
    tier_permitted,
    allows_stay_under_ceiling,
    passes_do_not_bypass_baseline,
    dns_not_blocked,
    rule_can_decide,
    openings_have_two_sides,
    selectors_parse,
    selectors_not_blank,
    selector_literals_not_rewritten,
    global_selector_alone,
    service_account_names_valid,
    nets_are_cidrs,
    ports_valid,
    rules_take_effect,
    metadata_annotation_honest,
    types_declared,
    narrowing_has_no_effect,
    staged_would_undercut,
    nets_outside_cluster,
    labels_not_forged,
    order_not_before_baseline,
    default_action_safe,
    tier_kept,
    pod_address_not_claimed,
)
