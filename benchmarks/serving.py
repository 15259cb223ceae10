"""Reviews a second, latency and CPU per review of one server process, next to gunicorn's threaded worker as it comes.

A Go client with kube-apiserver's transport keeps eight callers busy over TLS. Each round measures every server once, so
that what else the machine does hits all of them; the best round of each counts. Run: python -m benchmarks.serving
"""

import argparse
import datetime as dt
import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from certs import store
from tests.controlplane import golang
from tests.serving_process import Process, started
from webhook.serving import TlsFiles

GOCLIENT = Path(__file__).resolve().parents[1] / "tests" / "goclient"
# (name, server, its arguments, seconds of computing in the judge). Sixteen threads, for with two the spare connections
# that Go opens stop the stock worker at once, and there is nothing to compare with.
SERVERS: list[tuple[str, str, tuple[str, ...], float]] = [
    ("ours, the whole guard", "guard", (), 0.0),
    ("ours, static answer", "ours", (), 0.0),
    ("ours, judge of 150 µs", "ours", (), 0.00015),
    ("stock gthread, 16 threads, static answer", "stock", ("--threads", "16"), 0.0),
    ("stock gthread, 16 threads, judge of 150 µs", "stock", ("--threads", "16"), 0.00015),
]


@dataclass(frozen=True, slots=True)
class Figures:
    """One measurement; the CPU is the server's user and system time, its worker's alone."""

    rate: float
    p50: float
    p99: float
    cpu: float
    failed: int


def policy_review(judge_seconds: float) -> bytes:
    """A review of a NetworkPolicy of ten rules, 3 KB, that the guard allows without a word."""
    ingress = [
        {
            "action": "Allow",
            "protocol": "TCP",
            "source": {"selector": f"app == 'api-{n}'"},
            "destination": {"ports": [8080 + n]},
        }
        for n in range(5)
    ]
    egress = [
        {
            "action": "Allow",
            "protocol": "UDP",
            "destination": {"selector": f"tier == 'db-{n}'", "ports": [53, "8000:8080"]},
        }
        for n in range(5)
    ]
    kind = {"group": "crd.projectcalico.org", "version": "v1", "kind": "NetworkPolicy"}
    resource = {"group": "crd.projectcalico.org", "version": "v1", "resource": "networkpolicies"}
    managed = {"manager": "kubectl", "operation": "Update", "fieldsV1": {f"f:field-{n}": {} for n in range(40)}}
    request: dict[str, Any] = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "name": "web",
        "namespace": "shop-7-dev",
        "operation": "CREATE",
        "userInfo": {"username": "alice", "groups": ["shop-admins", "system:authenticated"]},
        "object": {
            "apiVersion": "crd.projectcalico.org/v1",
            "kind": "NetworkPolicy",
            "compute": judge_seconds,
            "metadata": {
                "name": "web",
                "namespace": "shop-7-dev",
                "labels": {"app": "web"},
                "managedFields": [managed],
            },
            "spec": {
                "order": 600,
                "selector": "app == 'web'",
                "types": ["Ingress", "Egress"],
                "ingress": ingress,
                "egress": egress,
            },
        },
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    }
    review = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
    return json.dumps(review).encode()


def cpu_seconds(process: Process) -> float:
    ticks = 0
    for worker in process.workers():
        # The command in the second field may hold blanks; what follows its closing bracket does not.
        fields = Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def load(client: Path, url: str, authority: Path, review: Path, *, callers: int, seconds: float) -> dict[str, Any]:
    command = [str(client), "-url", url, "-ca", str(authority), "-review", str(review)]
    command += ["-callers", str(callers), "-for", f"{seconds}s"]
    measured: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return measured


def measure(
    server: tuple[str, str, tuple[str, ...], float], files: store.Files, client: Path, options: argparse.Namespace
) -> Figures:
    _, kind, arguments, judge_seconds = server
    with (
        started(kind, TlsFiles(files.certificate, files.key), *arguments) as process,
        tempfile.NamedTemporaryFile(suffix=".json") as review,
    ):
        review.write(policy_review(judge_seconds))
        review.flush()
        path = Path(review.name)
        url = f"https://localhost:{process.port}{'/validate-policy' if kind == 'guard' else '/judge'}"
        load(client, url, files.authority, path, callers=options.callers, seconds=0.5)
        before = cpu_seconds(process)
        seen = load(client, url, files.authority, path, callers=options.callers, seconds=options.seconds)
        used = cpu_seconds(process) - before
    return Figures(
        rate=(seen["sent"] - seen["failed"]) / seen["seconds"],
        p50=seen["p50_ms"],
        p99=seen["p99_ms"],
        cpu=used / seen["sent"] * 1e6,
        failed=seen["failed"],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--callers", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        files = store.ensure(Path(directory), ("localhost",), now=dt.datetime.now(dt.UTC))
        client = Path(directory) / "goclient"
        golang.build(golang.Module.read(GOCLIENT), ".", client, stamps={})
        rounds = [[measure(server, files, client, options) for server in SERVERS] for _ in range(options.rounds)]
    load_average = os.getloadavg()[0]
    size = len(policy_review(0))
    print(f"{options.callers} callers, TLS, {size} bytes a review, {os.cpu_count()} cores, load {load_average:.1f}")
    print(f"{'':44}{'reviews/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'CPU µs':>9}{'failed':>8}")
    for number, server in enumerate(SERVERS):
        best = max((figures[number] for figures in rounds), key=lambda figures: figures.rate)
        failed = sum(figures[number].failed for figures in rounds)
        print(f"{server[0]:44}{best.rate:10.0f}{best.p50:9.2f}{best.p99:9.2f}{best.cpu:9.0f}{failed:8}")


if __name__ == "__main__":
    main()
