"""Control metrics: what the controller does, counted for Prometheus; nothing is decided by them."""

from __future__ import annotations

from contextlib import suppress

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

# The aim is a median of 0.1 s, and 0.3 s for 99 of 100, with a minute for a thousand at once.
BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class ControlMetrics:
    """One process's counts; labels come from our own tables, never from names that tenants choose."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.ready_seconds = Histogram(
            "isolation_baseline_namespace_ready_seconds",
            "From the arrival of a new namespace in the watch to its whole baseline being stored.",
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.steps = self._counter("steps", "Steps of plans carried out, by step and outcome.", "step", "outcome")
        self.repairs = self._counter("repairs", "Baseline objects that were not as asked, by object.", "object")
        self.failures = self._counter("failures", "Looks at something that failed, by reason.", "reason")
        self.restored = self._counter("restored", "Configurations put back after a change by others, by kind.", "kind")
        self.probes = self._counter(
            "probes", "Ways around the guard that were tried, by path and result.", "path", "result"
        )
        self.probe_holds = self._gauge("probe_holds", "1 while a way around the guard is refused, by path.", "path")
        self.leading = self._gauge("leading", "1 in the controller that leads.")
        self.waiting = self._gauge("waiting", "Namespaces that wait for a look.")
        self.unreadable = self._gauge("unreadable_objects", "Observed objects that cannot be read.")
        self.world_age = self._gauge("world_age_seconds", "Since the API server was last heard of, at the worst watch.")
        self.unready = self._gauge("unready_namespaces", "Managed namespaces without a whole baseline.")

    def exposition(self) -> bytes:
        return generate_latest(self.registry)

    def forget_probe(self, path: str) -> None:
        with suppress(KeyError):
            self.probe_holds.remove(path)

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(f"isolation_baseline_control_{name}", help_text, labels, registry=self.registry)

    def _gauge(self, name: str, help_text: str, *labels: str) -> Gauge:
        return Gauge(f"isolation_baseline_control_{name}", help_text, labels, registry=self.registry)
