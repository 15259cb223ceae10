"""The command line: help for everything, clear usage errors, and files judged as admission would."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from webhook.cli import _COMMANDS, cli

OPEN = """\
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: from-test, namespace: development}
spec:
  order: 600
  selector: all()
  types: [Ingress]
  ingress:
    - {action: Allow, protocol: TCP, source: {namespaceSelector: "SELECTOR"}, destination: {ports: [8080]}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: test}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: production}}
"""


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(cli, list(arguments), input=stdin)


@pytest.fixture
def permitted(tmp_path: Path) -> str:
    file = tmp_path / "permitted.yaml"
    file.write_text(OPEN.replace("SELECTOR", "env == 'test'"))
    return str(file)


@pytest.fixture
def undercut(tmp_path: Path) -> str:
    file = tmp_path / "undercut.yaml"
    file.write_text(OPEN.replace("SELECTOR", "env == 'prod'"))
    return str(file)


@pytest.mark.parametrize("command", sorted(_COMMANDS))
def test_every_command_has_help_with_a_sentence(command: str) -> None:
    """And is there at all."""
    result = run(command, "--help")
    assert result.exit_code == 0, result.output
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    assert found.help is not None
    assert found.help.strip().split("\n")[0].endswith((".", ":", ","))


def test_a_misspelt_command_suggests_the_right_one() -> None:
    """Exit code 2 is usage."""
    result = run("rendr")
    assert result.exit_code == 2
    assert "Did you mean 'render'?" in result.output


def test_the_program_says_what_it_could_not_do() -> None:
    """One line and exit code 3 where the world is at fault, never a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "webhook.cli", "check", "nowhere.yaml"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (
        3,
        "isolation-baseline: nowhere.yaml: expected a file or a folder, found nothing\n",
    )


def test_check_passes_what_settings_permit(permitted: str) -> None:
    """Exit code 0."""
    result = run("check", permitted)
    assert result.exit_code == 0, result.output


def test_check_refuses_what_undercuts(undercut: str) -> None:
    """Exit code 1, with the file and line, the rule and a fix."""
    result = run("check", undercut)
    assert result.exit_code == 1
    assert f"{undercut}:1: deny: [allows-stay-under-ceiling] NetworkPolicy development/from-test" in result.output


def test_check_reads_standard_input(undercut: str) -> None:
    """`kustomize build | isolation-baseline check -`."""
    result = run("check", "-", stdin=Path(undercut).read_text())
    assert result.exit_code == 1
    assert "-:1: deny:" in result.output


def test_an_unreadable_object_is_a_finding_and_the_others_are_judged(tmp_path: Path, permitted: str) -> None:
    """One bad object hides none."""
    bad = tmp_path / "bad.yaml"
    bad.write_text("{apiVersion: v1, kind: Namespace, metadata: {name: [1]}}")
    result = run("check", "--output", "json", str(bad), permitted)
    value: dict[str, Any] = json.loads(result.output)
    assert result.exit_code == 1
    assert [(u["place"], u["path"]) for u in value["unreadable"]] == [(f"{bad}:1", "metadata.name")]


FLOWS = [
    (("test", "development", "8080"), 1, "egress of pod test/any-pod: denied"),
    (("development", "development", "8080"), 0, "allowed: pod development/any-pod"),
    (("198.51.100.7", "development", "8080"), 1, "default-deny (order 5000)"),
]


@pytest.mark.parametrize(("ends", "code", "text"), FLOWS, ids=[" ".join(f[0]) for f in FLOWS])
def test_flow_says_what_decides(permitted: str, ends: tuple[str, str, str], code: int, text: str) -> None:
    """Exit code 0 when it passes, 1 when it does not; on files that the baseline is added to."""
    result = run("flow", "-f", permitted, *ends)
    assert (result.exit_code, text in result.output) == (code, True), result.output


BAD_FLOWS = [
    (("nowhere", "development", "80"), "there is no namespace 'nowhere'"),
    (("test/x", "development", "80"), "there is no pod 'test/x'"),
    (("test", "development", "0"), "expected 80, UDP/53 or ICMP"),
    (("test", "development", "http"), "expected 80, UDP/53 or ICMP"),
    (("test", "development", "70000"), "expected 80, UDP/53 or ICMP"),
]


@pytest.mark.parametrize(("ends", "text"), BAD_FLOWS, ids=[" ".join(f[0]) for f in BAD_FLOWS])
def test_a_flow_that_makes_no_sense_is_a_usage_error(permitted: str, ends: tuple[str, str, str], text: str) -> None:
    """Exit code 2, and what was expected."""
    result = run("flow", "-f", permitted, *ends)
    assert (result.exit_code, text in result.output) == (2, True), result.output


def test_audit_shows_findings_and_who_may_talk_to_whom(undercut: str) -> None:
    """The hole is in the table: prod may open development, but its own egress is still closed."""
    result = run("audit", "-f", undercut, "--output", "json")
    value = json.loads(result.output)
    assert result.exit_code == 1
    assert [f["rule"] for f in value["findings"] if f["severity"] == "deny"] == ["allows-stay-under-ceiling"]
    pairs = {(cell["from"], cell["to"]): cell["everything"] for cell in value["matrix"]}
    assert pairs == {(n, n): True for n in ("development", "production", "test")}


def test_audit_table_names_the_ports_of_a_two_sided_opening(tmp_path: Path, permitted: str) -> None:
    """Both ends opened for one port: the cell says that port and nothing more."""
    egress = tmp_path / "egress.yaml"
    egress.write_text(
        OPEN.split("---")[0]
        .replace("from-test, namespace: development", "to-dev, namespace: test")
        .replace("Ingress", "Egress")
        .replace("ingress", "egress")
        .replace(
            'source: {namespaceSelector: "SELECTOR"}, destination: {ports: [8080]}',
            "destination: {namespaceSelector: \"env == 'dev'\", ports: [8080]}",
        )
    )
    result = run("audit", "-f", permitted, "-f", str(egress))
    assert result.exit_code == 0, result.output
    table = [line.split("  ") for line in result.output.splitlines() if line.startswith("test ")]
    assert "TCP 8080" in [cell.strip() for cell in table[0]], result.output


def test_order_lists_policies_as_calico_asks_them(permitted: str) -> None:
    """Ascending, the baseline's where it belongs."""
    result = run("order", "development", "-f", permitted, "--output", "json")
    ingress = [(i["order"], i["policy"]) for i in json.loads(result.output) if i["direction"] == "Ingress"]
    assert ingress == [
        (500.0, "NetworkPolicy development/development-ns-allow"),
        (600.0, "NetworkPolicy development/from-test"),
        (5000.0, "NetworkPolicy development/default-deny"),
        (6000.0, "GlobalNetworkPolicy isolation-floor"),
    ]


def test_render_prints_what_a_namespace_gets() -> None:
    """As YAML that could be applied."""
    result = run("render", "development")
    assert [line for line in result.output.splitlines() if line.startswith("  name:")] == [
        "  name: default-deny",
        "  name: dns-allow",
        "  name: development-ns-allow",
    ]


def test_explain_says_why_and_how() -> None:
    """Every rule by its id; an unknown one is a usage error that says where to look."""
    assert "Fix:" in run("explain", "order-declared").output
    result = run("explain", "order")
    assert result.exit_code == 2
    assert "`isolation-baseline explain` lists them" in result.output


def test_allow_prints_what_opens_a_flow_and_the_guard_accepts_it(tmp_path: Path, permitted: str) -> None:
    """The ingress is open already, so the egress is printed alone; with it the flow passes, and nothing else is new."""
    result = run("allow", "-f", permitted, "test", "development", "8080")
    assert result.exit_code == 0, result.output
    assert result.output.count("kind: NetworkPolicy") == 1
    missing = tmp_path / "missing.yaml"
    missing.write_text(result.output)
    assert run("check", permitted, str(missing)).exit_code == 0
    assert run("flow", "-f", permitted, "-f", str(missing), "test", "development", "8080").exit_code == 0
    assert run("flow", "-f", permitted, "-f", str(missing), "test", "development", "8081").exit_code == 1


def test_allow_says_why_not_and_whom_to_ask(permitted: str) -> None:
    """Settings permit nothing from dev to prod; exit code 1, and no policy."""
    result = run("allow", "-f", permitted, "development", "production", "443")
    assert result.exit_code == 1
    assert "which settings do not permit" in result.output
    assert "ask: platform-admins" in result.output
    assert "kind:" not in result.output
