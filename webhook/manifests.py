"""Manifests: YAML and JSON files of Kubernetes objects, read with the file and line that each came from."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from webhook.policy.objects import InvalidObject

# A file of policies is text that people review; beyond this it is something else.
MAX_FILE_BYTES = 64 * 1024 * 1024
_ENDINGS = (".yaml", ".yml", ".json")
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Sourced:
    """One object and where it stands: file (`-` is standard input) and the line of its first key."""

    file: str
    line: int
    manifest: dict[str, Any]

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


def read(paths: Iterable[str]) -> Iterator[Sourced]:
    """
    Every object of the files and folders named, `-` being standard input; List objects are opened.

    Raises:
        InvalidObject: with `file:line` as the path, for what is no YAML, no mapping, or too large.
    """
    for path in paths:
        for file in _files(path):
            yield from _documents(file)


def _files(path: str) -> list[str]:
    if path == "-":
        return ["-"]
    place = Path(path)
    if place.is_dir():
        return sorted(str(p) for p in place.rglob("*") if p.suffix in _ENDINGS and p.is_file())
    if not place.exists():
        raise InvalidObject(path, "expected a file or a folder, found nothing")
    return [path]


def _text(file: str) -> str:
    try:
        content = sys.stdin.buffer.read(MAX_FILE_BYTES + 1) if file == "-" else Path(file).read_bytes()
    except OSError as e:
        raise InvalidObject(file, f"cannot be read: {e.strerror}") from e
    if len(content) > MAX_FILE_BYTES:
        raise InvalidObject(file, f"expected at most {MAX_FILE_BYTES} bytes")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as e:
        raise InvalidObject(file, f"expected UTF-8: {e.reason} at byte {e.start}") from None


def _documents(file: str) -> Iterator[Sourced]:
    loader = _Loader(_text(file))
    try:
        while loader.check_node():
            node = loader.get_node()
            line = node.start_mark.line + 1
            document = loader.construct_document(node)
            if document is not None:
                yield from _opened(file, line, document)
    except yaml.YAMLError as e:
        mark = getattr(e, "problem_mark", None)
        place = f"{file}:{mark.line + 1}" if mark is not None else file
        raise InvalidObject(place, f"expected YAML: {getattr(e, 'problem', None) or 'cannot be read'}") from None
    except (RecursionError, ValueError) as e:
        raise InvalidObject(file, f"expected YAML of a reasonable shape: {type(e).__name__}") from None
    finally:
        loader.dispose()


def _opened(file: str, line: int, document: object) -> Iterator[Sourced]:
    if not isinstance(document, dict):
        raise InvalidObject(f"{file}:{line}", "expected an object with apiVersion and kind")
    kind, items = document.get("kind"), document.get("items")
    if isinstance(kind, str) and kind.endswith("List") and isinstance(items, list):
        for item in items:
            yield from _opened(file, line, item)
        return
    if not isinstance(kind, str) or not isinstance(document.get("apiVersion"), str):
        raise InvalidObject(f"{file}:{line}", "expected an object with apiVersion and kind")
    yield Sourced(file, line, document)
