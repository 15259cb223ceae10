"""Report: findings, verdicts and the matrix as text and as JSON values; pure, the same for files and clusters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from webhook.policy.denial import headline
from webhook.policy.finding import Finding
from webhook.policy.flows import Hook, Verdict
from webhook.policy.matrix import Matrix
from webhook.policy.objects import InvalidObject, Ref
from webhook.policy.ports import protocol_name

# Wider tables wrap in every terminal; beyond this the cells are listed instead.
MOST_COLUMNS = 12


def findings_text(findings: Sequence[Finding], place: Callable[[Ref], str]) -> str:
    """One block a finding: its headline, where it stands, and what to do."""
    blocks = []
    for finding in findings:
        where = place(finding.ref)
        lines = [f"{where + ': ' if where else ''}{finding.severity.value}: {headline(finding)}"]
        lines += [f"  at: {finding.path}"] if finding.path else []
        lines += [f"  example: {finding.example}"] if finding.example else []
        lines += [f"  because: {reason}" for reason in finding.because]
        lines += [f"  fix: {finding.fix}"] if finding.fix else []
        blocks.append("\n".join(lines))
    return "\n".join(blocks)


def finding_value(finding: Finding, place: str) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "object": ref_value(finding.ref),
        "path": finding.path,
        "detail": finding.detail,
        "fix": finding.fix,
        "example": finding.example,
        "because": list(finding.because),
        "place": place,
    }


def ref_value(ref: Ref) -> dict[str, str]:
    return {"group": ref.group, "kind": ref.kind, "namespace": ref.namespace, "name": ref.name}


def unreadable_text(unreadable: Sequence[tuple[str, InvalidObject]]) -> str:
    return "\n".join(f"{place}: unreadable: {error.path}: {error.message}" for place, error in unreadable)


def matrix_text(matrix: Matrix) -> str:
    """A table while it fits a terminal, else the open pairs one a line; what is not listed is closed."""
    names = matrix.namespaces
    if len(names) > MOST_COLUMNS:
        pairs = [(s, d) for s in names for d in names if matrix.cells[s, d].is_open]
        lines = [f"{s} -> {d}: {matrix.cells[s, d]}" for s, d in pairs]
        return "\n".join([f"open pairs of {len(names)} namespaces; all others are closed", *lines])
    header = ["from \\ to", *names]
    table = [header, *([source, *(str(matrix.cells[source, d]) for d in names)] for source in names)]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
    )


def matrix_value(matrix: Matrix) -> list[dict[str, Any]]:
    return [
        {
            "from": source,
            "to": destination,
            "everything": cell.is_everything,
            "ports": {protocol_name(protocol): str(ports) for protocol, ports in cell.ports},
            "ping": cell.ping,
            "partly": cell.partly,
        }
        for (source, destination), cell in sorted(matrix.cells.items())
        if cell.is_open
    ]


def verdict_text(verdict: Verdict) -> str:
    flow = verdict.flow
    port = f" {flow.port}" if flow.port else ""
    head = f"{flow.source} -> {flow.destination} {protocol_name(flow.protocol)}{port}"
    lines = [f"{'allowed' if verdict.allowed else 'denied'}: {head}"]
    if not verdict.hooks:
        lines.append("  no policy applies to either end")
    for hook in verdict.hooks:
        lines.append(f"  {hook.direction.value.lower()} of {hook.pod}: {'allowed' if hook.allowed else 'denied'}")
        lines += [f"    {step}" for step in _steps(hook)]
    return "\n".join(lines)


def verdict_value(verdict: Verdict) -> dict[str, Any]:
    flow = verdict.flow
    return {
        "allowed": verdict.allowed,
        "from": str(flow.source),
        "to": str(flow.destination),
        "protocol": protocol_name(flow.protocol),
        "port": flow.port,
        "decidedBy": verdict.decided_by,
        "hooks": [
            {"direction": h.direction.value, "pod": str(h.pod), "allowed": h.allowed, "steps": list(_steps(h))}
            for h in verdict.hooks
        ],
    }


def _steps(hook: Hook) -> list[str]:
    return [
        f"{step.action.value:<5} {step}" + (f" at {step.policy.kind} {step.path}" if step.policy and step.path else "")
        for step in hook.steps
    ]
