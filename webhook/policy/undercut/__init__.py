"""Undercut: does one policy open what the ceiling forbids, cut what the floor guarantees, or decide nothing at all."""
