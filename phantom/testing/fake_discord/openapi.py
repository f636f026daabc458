"""Checks requests against Discord's public OpenAPI description, where a copy of it is at hand.

Only what the description says of types, required members, enumerations, lengths and unions. Ids may be integers, as
clients send both. Unknown members are allowed, as Discord ignores them.
Answers are not checked. In doubt a request is taken to be fine.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from phantom.testing.fake_discord.model import JSON

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


UNDESCRIBED = frozenset({"use_nested_fields", "delete_message_seconds", "wait"})
"""Query parameters that Discord takes (and discord.py sends) without the description naming them."""


class Description:
    """One OpenAPI document."""

    def __init__(self, document: JSON) -> None:
        self._paths: dict[str, JSON] = document["paths"]
        self._schemas: JSON = document["components"]["schemas"]

    def knows(self, method: str, path: str) -> bool:
        """Whether the operation is described."""
        return method.lower() in self._paths.get(path, {})

    def name_of(self, method: str, path: str) -> str:
        """The operation's name."""
        return str(self._paths[path][method.lower()]["operationId"])

    def check(self, method: str, path: str, query: dict[str, str], body: Any) -> list[str]:
        """Complaints about a request, none when it is fine. `path` is the pattern."""
        operation = self._paths.get(path, {}).get(method.lower())
        if operation is None:
            return [f"{method} {path} is not described"]
        names = {one["name"] for one in operation.get("parameters", ()) if one.get("in") == "query"}
        found = [f"query {name} is not described" for name in query if name not in names | UNDESCRIBED]
        content = operation.get("requestBody", {}).get("content", {})
        schema = content.get("application/json", {}).get("schema")
        if schema is not None and (body or operation["requestBody"].get("required")):
            found += self._errors(schema, body, "body")
        return found

    def _errors(self, schema: JSON, value: Any, where: str) -> list[str]:
        if "$ref" in schema:
            return self._errors(self._schemas[schema["$ref"].rpartition("/")[2]], value, where)
        for union in ("oneOf", "anyOf"):
            if union in schema:
                return self._union(schema[union], value, where)
        found: list[str] = []
        for part in schema.get("allOf", ()):
            found += self._errors(part, value, where)
        return found + self._own(schema, value, where)

    def _union(self, choices: list[JSON], value: Any, where: str) -> list[str]:
        attempts = [self._errors(choice, value, where) for choice in choices]
        if any(not attempt for attempt in attempts):
            return []
        # The choice that comes closest says best what is wrong: it fails deepest inside.
        return max(attempts, key=lambda attempt: max(len(one.partition(":")[0]) for one in attempt))

    def _own(self, schema: JSON, value: Any, where: str) -> list[str]:
        kinds = schema.get("type")
        if kinds is not None and not _is_a([kinds] if isinstance(kinds, str) else kinds, value, schema):
            return [f"{where}: {type(value).__name__} is not {kinds}"]
        if "const" in schema and value != schema["const"]:
            return [f"{where}: is not {schema['const']!r}"]
        if "enum" in schema and value not in schema["enum"]:
            return [f"{where}: is not one of {schema['enum']}"]
        if isinstance(value, dict):
            return self._members(schema, value, where)
        if isinstance(value, list):
            return self._items(schema, value, where)
        return _bounds(schema, value, where)

    def _members(self, schema: JSON, value: JSON, where: str) -> list[str]:
        found = [f"{where}.{name}: is missing" for name in schema.get("required", ()) if name not in value]
        for name, inner in schema.get("properties", {}).items():
            if name in value:
                found += self._errors(inner, value[name], f"{where}.{name}")
        return found

    def _items(self, schema: JSON, value: list[Any], where: str) -> list[str]:
        found: list[str] = []
        if len(value) > schema.get("maxItems", len(value)) or len(value) < schema.get("minItems", 0):
            found.append(f"{where}: has {len(value)} items")
        for index, item in enumerate(value):
            found += self._errors(schema.get("items", {}), item, f"{where}[{index}]")
        return found


def _is_a(kinds: list[str], value: Any, schema: JSON) -> bool:
    if isinstance(value, bool):
        return "boolean" in kinds
    if isinstance(value, int) and "string" in kinds and schema.get("format") == "snowflake":
        return True
    return any(isinstance(value, _TYPES[kind]) for kind in kinds)


def _bounds(schema: JSON, value: Any, where: str) -> list[str]:
    if isinstance(value, str):
        if len(value) > schema.get("maxLength", len(value)) or len(value) < schema.get("minLength", 0):
            return [f"{where}: has {len(value)} characters"]
        pattern = schema.get("pattern")
        if pattern and "\\p" not in pattern and re.search(pattern, value) is None:
            return [f"{where}: does not match {pattern}"]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        low, high = schema.get("minimum", value), schema.get("maximum", value)
        if not low <= value <= high:
            return [f"{where}: {value} is not between {low} and {high}"]
    return []


def find() -> Path | None:
    """The copy in `shared/data/discord` beside the checkout, if there is one."""
    path = Path(__file__).resolve().parents[4] / "shared" / "data" / "discord" / "openapi.json"
    return path if path.is_file() else None


@lru_cache(maxsize=2)
def load(path: Path) -> Description:
    """Read a description; kept, as it is large."""
    return Description(orjson.loads(path.read_bytes()))
