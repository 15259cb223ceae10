"""What every test may use: the real control plane, and the option that leaves its tests out and says so."""

from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from tests.controlplane import ControlPlane, running
from tests.controlplane.binaries import find

_LEFT_OUT = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--without-apiserver",
        action="store_true",
        help="leave out the tests that need the real kube-apiserver; the last line of the output says how many",
    )


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    for item in items:
        if {"control_plane", "guarded_control_plane"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.apiserver)
    yield  # -k and -m choose here: what they leave out is nobody's surprise and is not counted below
    if not config.getoption("--without-apiserver"):
        return
    left_out = [item for item in items if item.get_closest_marker("apiserver")]
    items[:] = [item for item in items if not item.get_closest_marker("apiserver")]
    config.stash[_LEFT_OUT] = len(left_out)
    config.hook.pytest_deselected(items=left_out)


def pytest_unconfigure(config: pytest.Config) -> None:
    # Here and not in the terminal summary, because pytest's own closing line comes after that one.
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter and config.getoption("--without-apiserver"):
        left_out = config.stash.get(_LEFT_OUT, 0)
        reporter.write_line(f"NOT TRIED ON A REAL API SERVER: {left_out} tests left out", red=True, bold=True)


@pytest.fixture(scope="session")
def control_plane(request: pytest.FixtureRequest) -> Iterator[ControlPlane]:
    """One control plane for the whole session; whoever uses it chooses names of namespaces that are theirs alone."""
    capture = request.config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else nullcontext():
        find()  # may build for minutes, and whoever waits should see that
    with running() as started:
        yield started
