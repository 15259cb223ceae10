"""Fields: typed reading of JSON values of any shape, with the path of what is wrong; no meaning beyond the type."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from webhook.policy.objects import InvalidObject, Labels

Json = Any  # where JSON enters; everything below returns narrower types
Manifest = Mapping[str, Json]

NOTHING: Manifest = {}


def mapping(value: Json, path: str) -> Manifest:
    """An object; null and absent are an empty one, as in Go."""
    if value is None:
        return NOTHING
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise InvalidObject(path, "expected an object")
    return value


def child(parent: Manifest, key: str, path: str) -> Manifest:
    return mapping(parent.get(key), f"{path}.{key}" if path else key)


def items(value: Json, path: str) -> Sequence[Json]:
    """A list; null and absent are an empty one."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise InvalidObject(path, "expected a list")
    return value


def text(value: Json, path: str) -> str:
    """A string; null and absent are the empty one, which Calico cannot tell from absence either."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidObject(path, "expected a string")
    return value


def texts(value: Json, path: str) -> tuple[str, ...]:
    return tuple(text(item, f"{path}[{at}]") for at, item in enumerate(items(value, path)))


def flag(value: Json, path: str) -> bool:
    if value is None:
        return False
    if not isinstance(value, bool):
        raise InvalidObject(path, "expected true or false")
    return value


def number(value: Json, path: str) -> float | None:
    """A finite number."""
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            found = float(value)
        except OverflowError:
            found = math.inf
        if math.isfinite(found):
            return found
    raise InvalidObject(path, "expected a finite number")


def integer(value: Json, path: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidObject(path, "expected a whole number")
    return value


def labels(value: Json, path: str) -> Labels:
    return Labels({key: text(item, f"{path}.{key}") for key, item in mapping(value, path).items()})
