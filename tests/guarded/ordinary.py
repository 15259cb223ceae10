"""Ordinary: what developers, operators and Calico itself do every day, family by family."""

from tests.guarded.attempt import Row
from tests.guarded.ordinary_cluster import CLUSTER_ROWS
from tests.guarded.ordinary_policies import POLICY_ROWS

ORDINARY: dict[str, list[Row]] = {**POLICY_ROWS, **CLUSTER_ROWS}
