"""Metrics: what the reviews of this server are counted as, for one process or for several that share a directory."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

# prometheus_client knows the directory in which processes add up their counts by this name only.
DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

# The aim is a p99 of 10 ms; the API server gives up after the two or three seconds of our configuration.
BUCKETS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """Counters of one server. Labels come from our own tables alone: nothing that a client writes becomes a label."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._reviews = Counter(
            "isolation_baseline_reviews",
            "Reviews answered, by webhook path, operation and decision (allowed, denied, failed, unreadable).",
            ["path", "operation", "decision"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "isolation_baseline_review_seconds",
            "Time from the last byte of a review to its answer.",
            ["path"],
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._findings = Counter(
            "isolation_baseline_findings",
            "Findings of reviews, by rule and decision.",
            ["rule", "decision"],
            registry=self._registry,
        )
        self._refusals = Counter(
            "isolation_baseline_http_refusals",
            "Requests that were no review at all, by HTTP status.",
            ["status"],
            registry=self._registry,
        )
        # labels() checks and locks; three of them a review cost more than the counting.
        self._counts: dict[tuple[str, str, str], Callable[[], None]] = {}
        self._observers: dict[str, Callable[[float], None]] = {}

    def reviewed(self, path: str, operation: str, decision: str, rules: Sequence[str], seconds: float) -> None:
        key = (path, operation, decision)
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = self._reviews.labels(path, operation, decision).inc
            self._observers[path] = self._seconds.labels(path).observe
        count()
        self._observers[path](seconds)
        for rule in rules:
            self._findings.labels(rule, decision).inc()

    def refused(self, status: int) -> None:
        self._refusals.labels(str(status)).inc()

    def exposition(self) -> tuple[bytes, str]:
        """The counts of all processes as Prometheus reads them, and the content type of that."""
        if DIRECTORY_VARIABLE not in os.environ:
            return generate_latest(self._registry), CONTENT_TYPE_LATEST
        everyone = CollectorRegistry()
        MultiProcessCollector(everyone)  # type: ignore[no-untyped-call]  # untyped in prometheus_client
        return generate_latest(everyone), CONTENT_TYPE_LATEST


def share(directory: Path) -> None:
    """
    Have this process and those that it forks add up their metrics in a directory.

    To be called before any of them makes its Metrics: prometheus_client decides when a metric is made.
    """
    os.environ[DIRECTORY_VARIABLE] = str(directory)
    values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]  # untyped in prometheus_client


def forget(process: int) -> None:
    """A process is gone: what it counted stays, what it was measuring does not."""
    if DIRECTORY_VARIABLE in os.environ:
        mark_process_dead(process)  # type: ignore[no-untyped-call]  # untyped in prometheus_client
