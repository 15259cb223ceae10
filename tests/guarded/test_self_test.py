"""The controller's self-test on the whole product: every way around the guard that it knows is refused."""

from __future__ import annotations

import pytest

from tests.guarded.conftest import Guarded
from webhook.attempts import attempts
from webhook.cluster import connect
from webhook.control_metrics import ControlMetrics
from webhook.events import Events
from webhook.observe import Observer
from webhook.policy.objects import CalicoApi
from webhook.policy.parse import parse
from webhook.policy.settings_file import load
from webhook.probe import Probe, Result
from webhook.roles import EXAMPLE_SETTINGS

pytestmark = pytest.mark.apiserver


def test_every_way_around_the_guard_is_refused(guarded: Guarded) -> None:
    cluster = connect(str(guarded.control_plane.administrator.kubeconfig))
    settings = load(EXAMPLE_SETTINGS.read_text(encoding="utf-8"))
    observer = Observer(cluster, settings, CalicoApi.V1, parse=parse)
    observer.start()
    assert observer.wait_synced(60)
    probe = Probe(cluster, lambda: observer.world, events=Events(cluster), metrics=ControlMetrics(), leads=lambda: True)
    probe.try_all()
    observer.stop()
    cluster.close()
    outcomes = {path: result for path, (result, _) in probe.results.items()}
    assert outcomes == {attempt.path: Result.REFUSED for attempt in attempts(CalicoApi.V1)}, probe.results
    assert probe.findings() == ()
