"""Tests: they mirror the tree of the product; controlplane/ is the real API server that some of them run against."""
