"""Dev: every role from a workstation against the cluster of a kubeconfig, taken away again at the end."""

from __future__ import annotations

import contextlib
import logging
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import click

from certs import store
from webhook.api import NAMESPACES, RESOURCES, ClusterError, Forbidden, Manifest, NotFound, name_of, resource_of
from webhook.cluster import KubernetesCluster, connect
from webhook.discovery import discover_calico_api
from webhook.native import probes
from webhook.policy.baseline import FLOOR
from webhook.policy.objects import CalicoApi
from webhook.policy.plan import READY_FOR
from webhook.policy.settings import Settings
from webhook.roles import EXAMPLE_SETTINGS, address, configurations, start_logging
from webhook.settings_watch import SettingsWatch
from webhook.supervise import Child, Supervisor, is_ready, wait_until
from webhook.webhooks import ByUrl

log = logging.getLogger(__name__)

# From the first process to the last policy acting; a cluster with thousands of namespaces takes the longest to adopt.
READY_SECONDS = 180.0
# gunicorn's own grace is longer than any review may take.
STOP_SECONDS = 10.0
_GIVEN_UP = 3


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything of one run is: the URL the API server calls, ports on this machine, files."""

    url: str
    bind: str
    serve_health: int
    control_health: int
    files: store.Files


@click.command()
@click.option("--kubeconfig", type=click.Path(exists=True, dir_okay=False), default=None, help="The cluster's.")
@click.option(
    "--settings",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=EXAMPLE_SETTINGS,
    show_default="the documented example",
    help="The settings file; it is read again when it changes.",
)
@click.option("--advertise", default=None, metavar="HOST[:PORT]", help="Where the API server reaches this machine.")
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Serving processes.")
def dev(kubeconfig: str | None, settings: Path, advertise: str | None, workers: int) -> None:
    """
    Run every role from here against a cluster, and take the webhooks away again at the end.

    Prints one line `ready ...` on standard output once all of it holds: the isolation floor, the baseline of every
    namespace, the webhooks and the native policies. Ctrl-C removes the webhook configurations and the native
    policies, and leaves the generated policies.

    \b
    isolation-baseline dev --kubeconfig ~/.kube/config
    isolation-baseline dev --kubeconfig kind.yaml --settings mine.yaml --advertise 172.18.0.1:8443
    """
    start_logging()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    watch = SettingsWatch(settings)
    cluster = connect(kubeconfig, user_agent="dev")
    api = discover_calico_api(cluster)
    directory = Path(tempfile.mkdtemp(prefix="isolation-baseline-dev-"))
    try:
        place = _place(cluster.host, advertise, directory)
        code = _run(cluster, api, watch, settings, kubeconfig, place, workers, stop)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    sys.exit(code)


def _run(
    cluster: KubernetesCluster,
    api: CalicoApi,
    watch: SettingsWatch,
    settings: Path,
    kubeconfig: str | None,
    place: Place,
    workers: int,
    stop: threading.Event,
) -> int:
    started = time.monotonic()
    common = ("--settings", str(settings), *(("--kubeconfig", kubeconfig) if kubeconfig else ()))
    supervisor = Supervisor([_serve(common, place, workers), _control(common, place)])
    try:
        supervisor.start("serve")
        ready = wait_until(
            lambda: is_ready(f"http://127.0.0.1:{place.serve_health}/readyz"), seconds=READY_SECONDS, stop=stop
        )
        if ready[0]:
            # The configurations come with the controller: nobody is sent to a server that does not answer yet.
            supervisor.start("control")
            ready = wait_until(
                lambda: _all_holds(cluster, api, watch.settings, place), seconds=READY_SECONDS, stop=stop
            )
        if not ready[0] and not stop.is_set():
            click.echo(f"isolation-baseline: not ready after {READY_SECONDS:.0f} s: {ready[1]}", err=True)
            return _GIVEN_UP
        if ready[0]:
            click.echo(
                f"ready {place.url} calico={api.value} settings={watch.settings.generation} "
                f"seconds={time.monotonic() - started:.1f}"
            )
            sys.stdout.flush()
        while not stop.wait(3.0):
            watch.check()
        return 0
    finally:
        _take_away(cluster, watch.settings, api, place, supervisor)


def _serve(common: tuple[str, ...], place: Place, workers: int) -> Child:
    return Child(
        "serve",
        (
            "serve",
            *common,
            *("--tls-cert-file", str(place.files.certificate), "--tls-key-file", str(place.files.key)),
            *("--bind", place.bind, "--health-bind", f"127.0.0.1:{place.serve_health}", "--workers", str(workers)),
            *("--linger", "0"),
        ),
    )


def _control(common: tuple[str, ...], place: Place) -> Child:
    return Child(
        "control",
        (
            "control",
            *common,
            "--no-lease",
            *("--health-bind", f"127.0.0.1:{place.control_health}"),
            *("--webhook-url", place.url, "--webhook-ca-file", str(place.files.authority)),
        ),
    )


def _all_holds(cluster: KubernetesCluster, api: CalicoApi, settings: Settings, place: Place) -> tuple[bool, str]:
    """Whether everything that `ready` promises is so, by asking the API server; the text says what is missing."""
    checks: tuple[Callable[[], str], ...] = (
        lambda: _missing_health(place),
        lambda: _missing_floor(cluster, api),
        lambda: _missing_baselines(cluster, settings),
        lambda: _missing_configurations(cluster, settings, api, place),
        lambda: _missing_effects(cluster, settings),
    )
    for check in checks:
        try:
            missing = check()
        except ClusterError as e:
            missing = str(e)
        if missing:
            return False, missing
    return True, ""


def _missing_health(place: Place) -> str:
    for port in (place.serve_health, place.control_health):
        ready, why = is_ready(f"http://127.0.0.1:{port}/readyz")
        if not ready:
            return why or "a role is not ready"
    return ""


def _missing_floor(cluster: KubernetesCluster, api: CalicoApi) -> str:
    if api is CalicoApi.KUBERNETES:
        return ""
    try:
        cluster.get(RESOURCES[api.api_version, "GlobalNetworkPolicy"], FLOOR)
    except NotFound:
        return f"GlobalNetworkPolicy {FLOOR} is not there"
    return ""


def _missing_baselines(cluster: KubernetesCluster, settings: Settings) -> str:
    waiting = [
        name_of(namespace)
        for namespace in cluster.list(NAMESPACES).items
        if name_of(namespace) not in settings.exempt_namespaces and not _is_settled(namespace)
    ]
    more = f" and {len(waiting) - 3} more" if len(waiting) > 3 else ""
    return f"no baseline yet: {', '.join(waiting[:3])}{more}" if waiting else ""


def _is_settled(namespace: Manifest) -> bool:
    metadata = namespace["metadata"]
    if metadata.get("deletionTimestamp"):
        return True
    return bool((metadata.get("annotations") or {}).get(READY_FOR) == metadata.get("uid"))


def _missing_configurations(cluster: KubernetesCluster, settings: Settings, api: CalicoApi, place: Place) -> str:
    for wanted in _installed(settings, api, place):
        try:
            cluster.get(resource_of(wanted), name_of(wanted))
        except NotFound:
            return f"{wanted['kind']} {name_of(wanted)} is not there"
    return ""


def _missing_effects(cluster: KubernetesCluster, settings: Settings) -> str:
    """Ask for things that must be changed or refused, by dry run: a stored configuration acts a little later."""
    for probe in probes(settings):
        try:
            answer = cluster.create(NAMESPACES, probe.body, dry_run=True)
        except Forbidden as e:
            if not probe.refusal or probe.refusal not in e.message:
                return f"{probe.name} does not act yet: {e.message}"
        else:
            if probe.refusal or settings.environment_label not in (answer["metadata"].get("labels") or {}):
                return f"{probe.name} does not act yet"
    return ""


def _installed(settings: Settings, api: CalicoApi, place: Place) -> list[Manifest]:
    reached = ByUrl(place.url, place.files.authority.read_text(encoding="ascii"))
    return configurations(settings, reached, api, native=True)


def _take_away(
    cluster: KubernetesCluster, settings: Settings, api: CalicoApi, place: Place, supervisor: Supervisor
) -> None:
    # The controller first, or it would put back what is taken away.
    supervisor.stop_one("control", STOP_SECONDS)
    left = []
    for manifest in reversed(_installed(settings, api, place)):
        try:
            with contextlib.suppress(NotFound):
                cluster.delete(resource_of(manifest), name_of(manifest))
        except ClusterError as e:
            left.append(f"{manifest['kind']} {name_of(manifest)} ({e.message or e.reason})")
    supervisor.stop(STOP_SECONDS)
    if left:
        click.echo(f"isolation-baseline: could not take away: {'; '.join(left)}", err=True)


def _place(server: str, advertise: str | None, directory: Path) -> Place:
    host, port = _advertised(server, advertise)
    names = (host, "localhost", "127.0.0.1")
    shown = f"[{host}]" if ":" in host else host
    loopback = host in ("localhost", "::1") or host.startswith("127.")
    everywhere = "[::]" if ":" in host else "0.0.0.0"  # noqa: S104  # the API server calls from elsewhere
    return Place(
        url=f"https://{shown}:{port}",
        bind=f"{shown if loopback else everywhere}:{port}",
        serve_health=_free_port("127.0.0.1"),
        control_health=_free_port("127.0.0.1"),
        files=store.ensure(directory, tuple(dict.fromkeys(names)), now=datetime.now(UTC)),
    )


def _advertised(server: str, advertise: str | None) -> tuple[str, int]:
    """The address in the webhook configurations: as told, or the one from which this machine reaches the API server."""
    if advertise is None:
        host = _own_address(server)
        return host, _free_port(host)
    if advertise.startswith("[") or advertise.count(":") == 1:
        if ":" in advertise.rpartition("]")[2]:
            return address(advertise)
        advertise = advertise.strip("[]")
    return advertise, _free_port(advertise)


def _own_address(server: str) -> str:
    parts = urlsplit(server)
    port = parts.port or 443
    for family, kind, proto, _, target in socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_DGRAM):
        with contextlib.suppress(OSError), socket.socket(family, kind, proto) as probe:
            # UDP: nothing is sent, the kernel only chooses the way.
            probe.connect(target)
            return str(probe.getsockname()[0])
    return "127.0.0.1"


def _free_port(host: str) -> int:
    """A port that was free a moment ago, on this address or, where it is not this machine's, on any."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            probe.bind(("", 0))
        return int(probe.getsockname()[1])
