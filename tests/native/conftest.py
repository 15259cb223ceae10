"""One installation of the guard for all tests of this folder; it is cluster-wide, and takes seconds to act."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.controlplane import ControlPlane
from tests.native.in_force import in_force
from tests.recorder import Recorder


@pytest.fixture(scope="package")
def guard(control_plane: ControlPlane) -> Iterator[Recorder]:
    """What refuses here is native: the webhook itself allows everything."""
    with in_force(control_plane) as recorder:
        yield recorder
