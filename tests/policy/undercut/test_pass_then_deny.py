"""A Pass that cuts DNS settles what comes after it: the Deny behind it cuts nothing any more."""

from __future__ import annotations

from webhook.policy.assemble import complete
from webhook.policy.evaluate import findings
from webhook.policy.objects import Labels, Meta, Namespace
from webhook.policy.parse import parse_policy
from webhook.policy.settings import Environment, Settings
from webhook.policy.world import World, frozen

SETTINGS = Settings(environments=(Environment("dev", ("dev-*",)),))


def test_the_rule_behind_a_pass_is_not_blamed_for_what_the_pass_did() -> None:
    """Nothing could be replayed for the second rule, so a judgement that blames it ends in an error of ours."""
    shop = Namespace(
        Meta("dev-shop", uid="u", labels=Labels({"env": "dev", "kubernetes.io/metadata.name": "dev-shop"}))
    )
    world = complete(World(SETTINGS, namespaces=frozen({"dev-shop": shop})))
    spec = {"order": 600, "selector": "all()", "types": ["Egress"], "egress": [{"action": "Pass"}, {"action": "Deny"}]}
    metadata = {"name": "p", "namespace": "dev-shop"}
    policy = parse_policy(
        {"apiVersion": "projectcalico.org/v3", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}
    )
    found = {(finding.rule, finding.path) for finding in findings(policy, world)}
    assert ("dns-not-blocked", "spec.egress[0]") in found
    assert ("dns-not-blocked", "spec.egress[1]") not in found
