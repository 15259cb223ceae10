"""JSON Schema, the part that the published schema uses: a second reader, so that schema and parser can be compared."""

from __future__ import annotations

import re
from typing import Any

_TYPES: dict[str, Any] = {
    "object": dict, "array": list, "string": str, "number": (int, float), "integer": int, "boolean": bool,
}  # fmt: skip
KNOWN = {
    "$defs", "$ref", "$schema", "additionalProperties", "anyOf", "const", "default", "description", "enum", "items",
    "maxItems", "maximum", "minItems", "minLength", "minimum", "pattern", "properties", "propertyNames", "required",
    "title", "type", "uniqueItems",
}  # fmt: skip


def valid(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """Say whether a value fits; a keyword that is not known here is an error, not a pass."""
    assert set(schema) <= KNOWN, set(schema) - KNOWN
    if "$ref" in schema and not valid(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root):
        return False
    if "anyOf" in schema and not any(valid(value, option, root) for option in schema["anyOf"]):
        return False
    if ("const" in schema and value != schema["const"]) or ("enum" in schema and value not in schema["enum"]):
        return False
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(
        isinstance(value, _TYPES[kind]) and isinstance(value, bool) == (kind == "boolean") for kind in kinds
    ):
        return False
    if isinstance(value, dict):
        return _object(value, schema, root)
    if isinstance(value, list):
        unique = not schema.get("uniqueItems") or all(item not in value[:at] for at, item in enumerate(value))
        sized = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
        return unique and sized and all(valid(item, schema.get("items", {}), root) for item in value)
    if isinstance(value, str):
        return len(value) >= schema.get("minLength", 0) and re.search(schema.get("pattern", ""), value) is not None
    return not isinstance(value, int) or schema.get("minimum", value) <= value <= schema.get("maximum", value)


def _object(value: dict[str, Any], schema: dict[str, Any], root: dict[str, Any]) -> bool:
    known = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    return (
        set(schema.get("required", [])) <= set(value)
        and all(valid(name, schema.get("propertyNames", {}), root) for name in value)
        and (others is not False or set(value) <= set(known))
        and all(valid(item, known[name], root) for name, item in value.items() if name in known)
        and (
            not isinstance(others, dict)
            or all(valid(item, others, root) for name, item in value.items() if name not in known)
        )
    )
