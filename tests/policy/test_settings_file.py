"""The settings file: what is read, what is refused and where, and that the published schema says the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.policy.json_schema import valid
from webhook.policy.objects import InvalidObject
from webhook.policy.ranges import parse_cidr
from webhook.policy.settings import (
    OWN_NAMESPACE,
    Cidrs,
    DenyForm,
    DnsServers,
    Environment,
    Identities,
    Mode,
    Permit,
    PermitPort,
    Reach,
    Settings,
    SharedDirection,
    SharedNamespace,
    Unmatched,
)
from webhook.policy.settings_file import MAX_BYTES, load, parse_settings

DATA = Path(__file__).parents[2] / "webhook" / "data"
SCHEMA = json.loads((DATA / "settings.schema.json").read_text())
HEAD: dict[str, Any] = {"apiVersion": "isolation-baseline.io/v1", "kind": "Settings"}
ENVIRONMENTS: dict[str, Any] = {"environments": {"dev": {}, "test": {}}}

# Design's own sketch, every key of it.
SKETCH = """
apiVersion: isolation-baseline.io/v1
kind: Settings
environmentLabel: env
environments:
  dev:   {names: ["development", "dev-*", "*-dev"], mode: enforce}
  test:  {names: ["test", "test-*", "*-test"],      mode: enforce}
  prod:  {names: ["prod-*", "*-prod"], mode: enforce, claimableBy: {groups: ["platform-admins"]}}
unmatchedNamespaces: isolate
permit:
  - {from: test, to: dev}
sharedNamespaces: [{name: ingress-nginx, direction: ingress}, {name: monitoring, direction: ingress}]
cidrs: {pods: [10.240.0.0/16], nodes: [], ingress: [], egress: []}
sameEnvironment: environment
dns: {selectors: ["k8s-app == 'kube-dns'"], nodeLocal: ["169.254.20.10"], ports: [53]}
orders: {tenants: [100, 3999], sameEnvironment: 500, dns: 4000, deny: 5000, floor: 6000}
tiers: {tenants: [default]}
exempt:
  namespaces: [kube-system, kube-public, kube-node-lease, calico-system, calico-apiserver, tigera-operator]
  breakGlass: {groups: [firefighters]}
"""


def test_the_sketch_is_read() -> None:
    settings = load(SKETCH)
    assert settings == Settings(
        environments=(
            Environment("dev", ("development", "dev-*", "*-dev")),
            Environment("test", ("test", "test-*", "*-test")),
            Environment("prod", ("prod-*", "*-prod"), claimable_by=Identities(groups=frozenset({"platform-admins"}))),
        ),
        permits=(Permit("test", "dev"),),
        shared_namespaces=(
            SharedNamespace("ingress-nginx", SharedDirection.INGRESS),
            SharedNamespace("monitoring", SharedDirection.INGRESS),
        ),
        cidrs=Cidrs(pods=(parse_cidr("10.240.0.0/16"),)),
        dns=type(settings.dns)(
            servers=(DnsServers("kube-system", "k8s-app == 'kube-dns'"),),
            node_local=(parse_cidr("169.254.20.10/32"),),
        ),
        break_glass=Identities(groups=frozenset({"firefighters"})),
        generation=settings.generation,
    )


def test_the_digest_is_of_the_text() -> None:
    assert load(SKETCH).generation == load(SKETCH).generation
    assert load(SKETCH).generation != load(SKETCH + "\n# later\n").generation


def test_the_example_is_the_default_story() -> None:
    settings = load((DATA / "settings.example.yaml").read_text())
    assert [environment.name for environment in settings.environments] == ["dev", "test", "prod"]
    assert settings.permits == (Permit("test", "dev"),)


def test_nothing_said_is_the_defaults() -> None:
    assert parse_settings(HEAD) == Settings()


GOOD: list[tuple[str, dict[str, Any], str, object]] = [
    ("bare ports are TCP", {"ports": [8080]}, "ports", (PermitPort(6, 8080, 8080),)),
    ("protocol before a port", {"ports": ["UDP/53"]}, "ports", (PermitPort(17, 53, 53),)),
    ("a range", {"ports": ["SCTP/1000:2000"]}, "ports", (PermitPort(132, 1000, 2000),)),
    ("written out", {"ports": [{"protocol": "UDP", "port": 5, "endPort": 9}]}, "ports", (PermitPort(17, 5, 9),)),
    ("one port written out", {"ports": [{"port": 5}]}, "ports", (PermitPort(6, 5, 5),)),
]


@pytest.mark.parametrize(("title", "permit", "field", "expected"), GOOD, ids=[row[0] for row in GOOD])
def test_a_permit_is_read(title: str, permit: dict[str, Any], field: str, expected: object) -> None:
    document = {**HEAD, **ENVIRONMENTS, "permit": [{"from": "test", "to": "dev", **permit}]}
    assert getattr(parse_settings(document).permits[0], field) == expected
    assert valid(document, SCHEMA, SCHEMA)


def test_other_choices_are_read() -> None:
    document = {
        **HEAD,
        "environmentLabel": "example.org/stage",
        "unmatchedNamespaces": "deny",
        "unassignedMode": "audit",
        "sameEnvironment": "none",
        "denyForm": "ruleless",
        "dns": {"selectors": [{"namespace": "openshift-dns", "selector": "all()"}], "ports": [53, 5353]},
        "exempt": {"namespaces": ["kube-system"]},
        "podGate": True,
        "docsUrl": "https://example.org/isolation/",
    }
    settings = parse_settings(document)
    assert settings.environment_label == "example.org/stage"
    assert settings.unmatched is Unmatched.DENY
    assert settings.unassigned_mode is Mode.AUDIT
    assert settings.same_environment is Reach.NONE
    assert settings.deny_form is DenyForm.RULELESS
    assert settings.dns.servers == (DnsServers("openshift-dns", "all()"),)
    assert settings.dns.ports == (53, 5353)
    assert settings.exempt_namespaces == {"kube-system", OWN_NAMESPACE}
    assert (settings.pod_gate, Settings().pod_gate) == (True, False)
    assert settings.docs_url == "https://example.org/isolation"
    assert valid(document, SCHEMA, SCHEMA)


BOTH = True  # the schema refuses it as well
# title, what is said beside the head, message, whether the schema can say it too
BAD: list[tuple[str, dict[str, Any], str, bool]] = [
    ("unknown key", {"enviroments": {}}, "enviroments: unknown; did you mean `environments`?", BOTH),
    (
        "unknown key inside",
        {"exempt": {"breakglass": {}}},
        "exempt.breakglass: unknown; did you mean `breakGlass`?",
        BOTH,
    ),
    ("unknown and far off", {"cidrs": {"zzz": []}}, "cidrs.zzz: unknown; known: pods, nodes, ingress, egress", BOTH),
    ("no mapping", {"environments": ["dev"]}, "environments: expected a mapping, not ['dev']", BOTH),
    ("no list", {"cidrs": {"pods": "10.0.0.0/8"}}, "cidrs.pods: expected a list, not `10.0.0.0/8`", BOTH),
    (
        "label value",
        {"environments": {"-dev": {}}},
        "environments.-dev: expected the name to be a label value, not `-dev`",
        BOTH,
    ),
    (
        "reserved",
        {"environments": {"unassigned": {}}},
        "environments.unassigned: `unassigned` is reserved for namespaces that fit no environment",
        BOTH,
    ),
    (
        "pattern",
        {"environments": {"dev": {"names": ["Dev-?"]}}},
        "environments.dev.names[0]: expected a namespace name with `*` for any run of characters, not `Dev-?`",
        BOTH,
    ),
    (
        "pattern twice",
        {"environments": {"dev": {"names": ["a-*"]}, "test": {"names": ["b", "a-*"]}}},
        "environments.test.names[1]: `a-*` is a name pattern of `dev` as well; a namespace has one environment",
        not BOTH,
    ),
    (
        "given twice",
        {"environments": {"dev": {"names": ["a", "a"]}}},
        "environments.dev.names[1]: `a` is given twice",
        BOTH,
    ),
    (
        "mode",
        {"environments": {"dev": {"mode": "deny"}}},
        "environments.dev.mode: expected audit or warn or enforce, not `deny`",
        BOTH,
    ),
    ("choice", {"sameEnvironment": True}, "sameEnvironment: expected environment or namespace or none, not True", BOTH),
    ("permit of nobody", {**ENVIRONMENTS, "permit": [{"from": "dev"}]}, "permit[0].to: expected an environment", BOTH),
    (
        "permit of an undeclared one",
        {**ENVIRONMENTS, "permit": [{"from": "prod", "to": "dev"}]},
        "permit[0].from: `prod` is not one of the declared environments",
        not BOTH,
    ),
    (
        "permit of unassigned",
        {**ENVIRONMENTS, "permit": [{"from": "dev", "to": "unassigned"}]},
        "permit[0].to: `unassigned` namespaces talk to nobody",
        not BOTH,
    ),
    (
        "no ports is not any port",
        {**ENVIRONMENTS, "permit": [{"from": "dev", "to": "test", "ports": []}]},
        "permit[0].ports: expected at least one port; leave `ports` out to permit any",
        BOTH,
    ),
    (
        "port zero",
        {**ENVIRONMENTS, "permit": [{"from": "dev", "to": "test", "ports": [0]}]},
        "permit[0].ports[0]: expected ports from 1 to 65535: `0`",
        BOTH,
    ),
    (
        "port range backwards",
        {**ENVIRONMENTS, "permit": [{"from": "dev", "to": "test", "ports": [{"port": 9, "endPort": 5}]}]},
        "permit[0].ports[0].endPort: expected a port that is not below `port`",
        not BOTH,
    ),
    (
        "a protocol without ports",
        {**ENVIRONMENTS, "permit": [{"from": "dev", "to": "test", "ports": ["ICMP/8"]}]},
        "permit[0].ports[0]: expected TCP, UDP or SCTP",
        not BOTH,
    ),
    (
        "shared name",
        {"sharedNamespaces": [{"name": "Ingress"}]},
        "sharedNamespaces[0].name: expected a name of lower-case letters, digits and `-`, not `Ingress`",
        BOTH,
    ),
    (
        "shared twice",
        {"sharedNamespaces": [{"name": "a", "direction": "egress"}, {"name": "a"}]},
        "sharedNamespaces[1].name: `a` is given twice; use direction: both",
        not BOTH,
    ),
    (
        "host bits",
        {"cidrs": {"pods": ["10.0.0.1/8"]}},
        "cidrs.pods[0]: expected a network without host bits, such as 10.0.0.0/8: `10.0.0.1/8`",
        not BOTH,
    ),
    (
        "a mask",
        {"cidrs": {"pods": ["10.0.0.0/255.0.0.0"]}},
        "cidrs.pods[0]: expected a length from 0 to 32 without leading zeros after the `/`: `10.0.0.0/255.0.0.0`",
        BOTH,
    ),
    (
        "DNS nowhere",
        {"dns": {"selectors": []}},
        "dns.selectors: expected at least one selector, or dns.nodeLocal: without DNS nothing works",
        not BOTH,
    ),
    ("DNS blank", {"dns": {"selectors": [" "]}}, "dns.selectors[0]: expected text on one line, not ` `", not BOTH),
    (
        "DNS no selector",
        {"dns": {"selectors": ["k8s-app ="]}},
        "dns.selectors[0]: at character 9: expected `==` after label `k8s-app`",
        not BOTH,
    ),
    ("DNS ports", {"dns": {"ports": ["1:2"]}}, "dns.ports[0]: expected one port, not a range", not BOTH),
    (
        "band of one",
        {"orders": {"tenants": [100]}},
        "orders.tenants: expected two numbers, the lowest and the highest order",
        BOTH,
    ),
    (
        "band backwards",
        {"orders": {"tenants": [200, 100]}},
        "orders.tenants: expected two numbers above 0, the lower one first",
        not BOTH,
    ),
    (
        "band over DNS",
        {"orders": {"tenants": [100, 4000]}},
        "orders.tenants: expected the highest order below orders.dns (4000)",
        not BOTH,
    ),
    (
        "DNS behind the denial",
        {"orders": {"dns": 5000}},
        "orders.dns: expected an order below orders.deny (5000)",
        not BOTH,
    ),
    (
        "the floor before the denial",
        {"orders": {"floor": 5000}},
        "orders.floor: expected an order above orders.deny (5000)",
        not BOTH,
    ),
    (
        "the allow behind the denial",
        {"orders": {"sameEnvironment": 5000}},
        "orders.sameEnvironment: expected an order above 0 and below orders.deny (5000)",
        not BOTH,
    ),
    ("no number", {"orders": {"deny": float("nan")}}, "orders.deny: expected a number, not nan", not BOTH),
    ("true is no number", {"orders": {"deny": True}}, "orders.deny: expected a number, not True", BOTH),
    ("no tier", {"tiers": {"tenants": []}}, "tiers.tenants: expected at least one tier", BOTH),
    (
        "a label that names",
        {"environmentLabel": "kubernetes.io/metadata.name"},
        "environmentLabel: expected a label key that namespaces are free to carry, not `kubernetes.io/metadata.name`",
        not BOTH,
    ),
    (
        "a label that exempts",
        {"environmentLabel": "control-plane"},
        "environmentLabel: expected a label key that namespaces are free to carry, not `control-plane`",
        not BOTH,
    ),
    (
        "a quote in a label",
        {"environmentLabel": "env' || all()"},
        "environmentLabel: expected a label key, not `env' || all()`",
        BOTH,
    ),
    ("a gate in words", {"podGate": "on"}, "podGate: expected true or false, not `on`", BOTH),
    ("a gate as a number", {"podGate": 1}, "podGate: expected true or false, not 1", BOTH),
    ("contact on two lines", {"contact": "a\nb"}, "contact: expected text on one line, not 'a\\nb'", not BOTH),
    (
        "exempt by pattern",
        {"exempt": {"namespaces": ["kube-*"]}},
        "exempt.namespaces[0]: expected a name of lower-case letters, digits and `-`, not `kube-*`",
        BOTH,
    ),
    (
        "more exempt than one selector holds",
        {"exempt": {"namespaces": [f"a-namespace-{n}" for n in range(60)]}},
        "exempt.namespaces: expected names of 904 characters together at most",
        not BOTH,
    ),
]


@pytest.mark.parametrize(("title", "fields", "message", "both"), BAD, ids=[row[0] for row in BAD])
def test_a_bad_file_is_refused_with_the_field(title: str, fields: dict[str, Any], message: str, both: bool) -> None:
    with pytest.raises(InvalidObject) as raised:
        parse_settings({**HEAD, **fields})
    assert str(raised.value) == message
    assert valid({**HEAD, **fields}, SCHEMA, SCHEMA) is not both


@pytest.mark.parametrize("file", [SKETCH, (DATA / "settings.example.yaml").read_text()], ids=["sketch", "example"])
def test_the_schema_accepts_what_is_read(file: str) -> None:
    assert valid(yaml.safe_load(file), SCHEMA, SCHEMA)


def test_the_schema_knows_the_same_keys() -> None:
    """The message about an unknown key lists those that the parser knows."""
    with pytest.raises(InvalidObject) as raised:
        parse_settings({"": 1})
    assert raised.value.message == "unknown; known: " + ", ".join(SCHEMA["properties"])


TEXTS = [
    ("a key twice", "kind: a\nkind: b", "line 2: `kind` is given twice"),
    ("a key twice inside", "orders: {deny: 1, deny: 2}", "line 1: `deny` is given twice"),
    ("aliases", "a: &a [1]\nb: [*a, *a]", "settings: aliases (`*name`) are not allowed"),
    ("no YAML", "a: [1", "line 1: not YAML: expected ',' or ']', but got '<stream end>'"),
    (
        "a tag",
        "a: !!python/object:os.system {}",
        "line 1: not YAML: could not determine a constructor for the tag 'tag:yaml.org,2002:python/object:os.system'",
    ),
    ("two documents", "a: 1\n---\nb: 2", "line 2: not YAML: but found another document"),
    ("nothing", "", "settings: expected a mapping, not None"),
    ("a list as a key", "[a]: 1", "line 1: expected text as the key"),
    ("a number as a key", "1: 2", "settings: expected text as the key, not 1; put it in quotes"),
    ("a word that YAML reads as false", "environments: {no: {}}", "apiVersion: expected `isolation-baseline.io/v1`"),
    (
        "another version",
        "apiVersion: isolation-baseline.io/v2\nkind: Settings",
        "apiVersion: expected `isolation-baseline.io/v1`",
    ),
    ("too much", "#" * (MAX_BYTES + 1), f"settings: expected at most {MAX_BYTES} bytes"),
]


@pytest.mark.parametrize(("title", "text", "message"), TEXTS, ids=[row[0] for row in TEXTS])
def test_a_bad_text_is_refused_with_the_line(title: str, text: str, message: str) -> None:
    with pytest.raises(InvalidObject) as raised:
        load(text)
    assert str(raised.value) == message
