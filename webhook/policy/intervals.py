"""Intervals: the arithmetic of sets of whole numbers kept as sorted intervals; not what they mean."""

from bisect import bisect_right
from collections.abc import Iterable

# Both ends belong to an interval. A tuple of them is in normal form when it is
# sorted and no two overlap or touch: then equal sets are equal tuples. All
# functions expect normal forms, but for merged(), and return them.
Interval = tuple[int, int]
Intervals = tuple[Interval, ...]


def merged(intervals: Iterable[Interval]) -> Intervals:
    """Bring any intervals into normal form."""
    result: list[Interval] = []
    for low, high in sorted(intervals):
        if result and low <= result[-1][1] + 1:
            if high > result[-1][1]:
                result[-1] = (result[-1][0], high)
        else:
            result.append((low, high))
    return tuple(result)


def union(one: Intervals, other: Intervals) -> Intervals:
    if not one or not other:
        return one or other
    return merged(one + other)


def intersection(one: Intervals, other: Intervals) -> Intervals:
    result: list[Interval] = []
    at, there = 0, 0
    while at < len(one) and there < len(other):
        low = max(one[at][0], other[there][0])
        high = min(one[at][1], other[there][1])
        if low <= high:
            result.append((low, high))
        if one[at][1] < other[there][1]:
            at += 1
        else:
            there += 1
    return tuple(result)


def complement(intervals: Intervals, last: int) -> Intervals:
    """Return what is missing between 0 and `last`."""
    result: list[Interval] = []
    low = 0
    for start, end in intervals:
        if low < start:
            result.append((low, start - 1))
        low = end + 1
    if low <= last:
        result.append((low, last))
    return tuple(result)


def difference(one: Intervals, other: Intervals) -> Intervals:
    if not one or not other:
        return one
    return intersection(one, complement(other, one[-1][1]))


def contains(intervals: Intervals, low: int, high: int) -> bool:
    """Say whether all of low to high is in the set."""
    at = bisect_right(intervals, low, key=lambda interval: interval[0])
    return at > 0 and high <= intervals[at - 1][1]
