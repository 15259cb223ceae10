"""Settings fields: YAML values of one kind, read strictly and with the path of what is wrong; no field by name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, TypeVar

from webhook.policy.objects import InvalidObject

_E = TypeVar("_E", bound=Enum)
_T = TypeVar("_T")
_NAMESPACE = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")


def mapping(value: object, path: str, known: Iterable[str] | None = None) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidObject(path, f"expected a mapping, not {shown(value)}")
    for key in value:
        if not isinstance(key, str):
            # YAML reads `on`, `no` and 1 as no text.
            raise InvalidObject(path, f"expected text as the key, not {shown(key)}; put it in quotes")
        if known is not None and key not in known:
            close = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f"did you mean `{close[0]}`?" if close else "known: " + ", ".join(known)
            raise InvalidObject(key if path == "settings" else f"{path}.{key}", f"unknown; {hint}")
    return value


def each(value: object, path: str, read: Callable[[Any, str], _T]) -> tuple[_T, ...]:
    if not isinstance(value, list | tuple):
        raise InvalidObject(path, f"expected a list, not {shown(value)}")
    items: list[_T] = []
    for number, item in enumerate(value):
        found = read(item, f"{path}[{number}]")
        if found in items and path != "orders.tenants":
            raise InvalidObject(f"{path}[{number}]", f"{shown(item)} is given twice")
        items.append(found)
    return tuple(items)


def choice(kind: type[_E], value: object, path: str) -> _E:
    words = [str(member.value) for member in kind]
    if isinstance(value, str) and value in words:
        return kind(value)
    raise InvalidObject(path, f"expected {' or '.join(words)}, not {shown(value)}")


def flag(value: object, path: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidObject(path, f"expected true or false, not {shown(value)}")
    return value


def text(value: object, path: str) -> str:
    if not isinstance(value, str) or not value.isprintable() or value != value.strip():
        raise InvalidObject(path, f"expected text on one line, not {shown(value)}")
    if not value and path not in ("docsUrl",):
        raise InvalidObject(path, "expected text, not nothing")
    return value


def matching(value: object, path: str, pattern: re.Pattern[str], expected: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise InvalidObject(path, f"expected {expected}, not {shown(value)}")
    return value


def namespace_name(value: object, path: str) -> str:
    return matching(value, path, _NAMESPACE, "a name of lower-case letters, digits and `-`")


def number(value: object, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= 1e9:
        raise InvalidObject(path, f"expected a number, not {shown(value)}")
    return float(value)


def shown(value: object) -> str:
    text = f"`{value}`" if isinstance(value, str) and value.isprintable() else repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
