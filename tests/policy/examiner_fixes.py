"""Fixes: what a denial tells its reader to do, done to the manifest word for word."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from typing import Any

Manifest = dict[str, Any]
_SIDE = "(source|destination)"


def fixed(manifest: Manifest, fixes: Sequence[tuple[str, str]]) -> Manifest | None:
    """The manifest with all fixes, each at its path; None when one of them needs a human being."""
    changed = copy.deepcopy(manifest)
    for path, fix in fixes:
        for pattern, apply in _FIXES:
            found = re.match(pattern, fix)
            if found:
                apply(changed, path, found)
                break
        else:
            return None
    changed["spec"] = _without_removed(changed["spec"])
    return changed


def _select(manifest: Manifest, path: str, found: re.Match[str]) -> None:
    _at(manifest, path).setdefault(found[1], {})["namespaceSelector"] = found[2]


def _select_more(manifest: Manifest, path: str, found: re.Match[str]) -> None:
    side = _at(manifest, path)[found[2]]
    side["namespaceSelector"] = f"({side['namespaceSelector']}) && {found[1]}"


def _exclude(manifest: Manifest, path: str, found: re.Match[str]) -> None:
    side = _at(manifest, path).setdefault(found[1], {})
    side["notNets"] = [*side.get("notNets", []), *found[2].split(", ")]


def _except(manifest: Manifest, path: str, found: re.Match[str]) -> None:
    block = _at(manifest, path)["ipBlock"]
    block["except"] = [*block.get("except", []), *found[1].split(", ")]


def _list_nets(manifest: Manifest, path: str, found: re.Match[str]) -> None:
    side = _at(manifest, path).setdefault(found[1], {})
    side["nets"] = found[2].split(", ")
    side.pop("notNets", None)


def _remove(manifest: Manifest, path: str, found: re.Match[str]) -> None:
    _at(manifest, found[1])["removed"] = True


def _order(manifest: Manifest, path: str, found: re.Match[str]) -> None:
    manifest["spec"]["order"] = float(found[1])


def _tier(manifest: Manifest, path: str, found: re.Match[str]) -> None:
    manifest["spec"]["tier"] = found[1]


_FIXES: tuple[tuple[str, Callable[[Manifest, str, re.Match[str]], None]], ...] = (
    (rf"set {_SIDE}\.namespaceSelector to `(.*)`$", _select),
    (rf"add `&& (.*)` to {_SIDE}\.namespaceSelector$", _select_more),
    (rf"add {_SIDE}\.notNets \[(.*)\]", _exclude),
    (r"add ipBlock\.except \[(.*)\]", _except),
    (rf"set {_SIDE}\.nets to \[(.*)\]$", _list_nets),
    (r"remove (spec\.[a-z]+\[\d+\](?:\.[a-z]+\[\d+\])?)", _remove),
    (r"set spec\.order between (\d+)", _order),
    (r"set spec\.tier to (\S+)", _tier),
)


def _at(manifest: Manifest, path: str) -> Any:
    found: Any = manifest
    for part in re.findall(r"[A-Za-z]+|\d+", path):
        found = found[int(part)] if part.isdigit() else found[part]
    return found


def _without_removed(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_removed(item) for item in value if not (isinstance(item, dict) and item.get("removed"))]
    return {key: _without_removed(item) for key, item in value.items()} if isinstance(value, dict) else value
