"""
How long a namespace waits for its baseline, on a real API server: one after another, 200 at once, 1,000 at once.

    python -m benchmarks.controller            the controller alone
    python -m benchmarks.controller --dev      the whole product, every write of it judged by the webhook
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.controlplane import ControlPlane, running
from webhook.api import NAMESPACES, RESOURCES, Cluster, Manifest
from webhook.cluster import connect
from webhook.observe import Observer
from webhook.policy.objects import CalicoApi
from webhook.policy.parse import parse
from webhook.policy.settings import Settings

POLICIES = RESOURCES["crd.projectcalico.org/v1", "NetworkPolicy"]
BASELINE = 3
CREATORS = 8
READY_FOR = "isolation-baseline.io/ready-for"


class Stopwatch:
    """Notes, from a watch of its own, when a namespace's third policy was stored and when its mark was."""

    def __init__(self, cluster: Cluster) -> None:
        self.stored: dict[str, list[float]] = {}
        self.marked: dict[str, float] = {}
        self._observer = Observer(cluster, Settings(), CalicoApi.V1, parse=self._note, resources=(NAMESPACES, POLICIES))

    def __enter__(self) -> Stopwatch:
        self._observer.start()
        assert self._observer.wait_synced(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._observer.stop()

    def _note(self, manifest: Manifest) -> object:
        metadata, now = manifest["metadata"], time.perf_counter()
        if manifest["kind"] == "NetworkPolicy":
            self.stored.setdefault(metadata["namespace"], []).append(now)
        elif READY_FOR in (metadata.get("annotations") or {}):
            self.marked.setdefault(metadata["name"], now)
        return parse(manifest)

    def wait(self, names: list[str], seconds: float) -> None:
        # Two watches: that of the mark may be ahead of that of the policies.
        until(lambda: all(self._is_seen(name) for name in names), seconds, f"{len(names)} namespaces ready")

    def _is_seen(self, name: str) -> bool:
        return name in self.marked and len(self.stored.get(name, ())) >= BASELINE

    def whole(self, name: str) -> float:
        return sorted(self.stored[name])[BASELINE - 1]


def until(holds: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            sys.exit(f"{what}: not within {seconds:g} s")
        time.sleep(0.02)


def one_after_another(cluster: Cluster, watch: Stopwatch, count: int) -> str:
    waits = []
    for number in range(count):
        name = f"dev-one-{number}"
        started = time.perf_counter()
        cluster.create(NAMESPACES, {"metadata": {"name": name}})
        watch.wait([name], 30)
        waits.append(watch.whole(name) - started)
        time.sleep(0.05)
    waits.sort()
    p50, p99 = waits[len(waits) // 2], waits[min(len(waits) - 1, int(len(waits) * 0.99))]
    return f"{count} one after another: request sent -> baseline stored p50 {p50:.3f} s, p99 {p99:.3f} s"


def burst(cluster: Cluster, watch: Stopwatch, count: int) -> str:
    names = [f"dev-burst{count}-{number}" for number in range(count)]
    started = time.perf_counter()

    def create(part: list[str]) -> None:
        for name in part:
            cluster.create(NAMESPACES, {"metadata": {"name": name}}, timeout=60)

    threads = [threading.Thread(target=create, args=(names[n::CREATORS],)) for n in range(CREATORS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    created = time.perf_counter() - started
    watch.wait(names, 300)
    stored = max(watch.whole(name) for name in names) - started
    marked = max(watch.marked[name] for name in names) - started
    return (
        f"{count} at once: created in {created:.1f} s, all baselines stored after {stored:.1f} s, marked {marked:.1f} s"
    )


@contextmanager
def product(control_plane: ControlPlane, *, whole: bool) -> Iterator[subprocess.Popen[bytes]]:
    role = ["dev"] if whole else ["control"]
    log = control_plane.folder / "benchmark.log"
    command = [sys.executable, "-m", "webhook.cli", *role, "--kubeconfig", str(control_plane.administrator.kubeconfig)]
    with log.open("wb") as sink, subprocess.Popen(command, stdout=sink, stderr=sink) as process:
        try:
            word = b"ready" if whole else b"event=leading"
            until(lambda: word in log.read_bytes() or process.poll() is not None, 60, f"{role[0]} at work")
            if process.poll() is not None:
                sys.exit(log.read_text())
            yield process
        finally:
            process.terminate()
            process.wait(30)


def cpu_seconds(process: int) -> float:
    """Of a process and its children, from /proc."""
    total, wanted = 0.0, {process}
    for folder in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) in wanted or int(folder.name) in wanted:
            wanted.add(int(folder.name))
            total += (int(fields[11]) + int(fields[12])) / 100
    return total


def memory(process: int) -> str:
    """Resident and, in brackets, not shared with others; the largest first."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            words = (folder / "cmdline").read_bytes().split(b"\0")
            pages = dict(line.split(":") for line in (folder / "smaps_rollup").read_text().splitlines()[1:])
        except (OSError, ValueError):
            continue
        if parent == process or int(folder.name) == process or _parent_of(parent) == process:
            role = next((word.decode() for word in words if word in (b"serve", b"control", b"dev")), "?")
            resident, private = (int(pages[key].split()[0]) / 1024 for key in ("Rss", "Private_Dirty"))
            found.append((resident, f"{role} {resident:.0f} ({private:.0f})"))
    return ", ".join(text for _, text in sorted(found, reverse=True))


def _parent_of(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--dev", action="store_true", help="with the webhook")
    arguments.add_argument("--single", type=int, default=100, help="how many one after another")
    arguments.add_argument("--bursts", type=int, nargs="*", default=[200, 1000])
    chosen = arguments.parse_args()
    with running() as control_plane:
        cluster = connect(str(control_plane.administrator.kubeconfig))
        cluster.create(NAMESPACES, {"metadata": {"name": "isolation-baseline"}})
        with product(control_plane, whole=chosen.dev) as process, Stopwatch(cluster) as watch:
            print(one_after_another(cluster, watch, chosen.single), flush=True)
            for count in chosen.bursts:
                before, all_before = cpu_seconds(process.pid), cpu_seconds(os.getpid())
                print(burst(cluster, watch, count), flush=True)
                product_cpu, all_cpu = cpu_seconds(process.pid) - before, cpu_seconds(os.getpid()) - all_before
                print(f"  CPU seconds: product {product_cpu:.1f}, everything else here {all_cpu - product_cpu:.1f}")
            print(f"memory of the product's processes, MB: {memory(process.pid)}")


if __name__ == "__main__":
    main()
