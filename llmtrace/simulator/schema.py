"""A small value that a JSON schema accepts, for structured output and the arguments of tools.

It reads the part of JSON Schema that the providers accept and that pydantic writes: types, enums, constants, unions,
references, formats and bounds. Patterns are not read.
"""

import random
from collections.abc import Callable, Mapping
from typing import Any

from llmtrace.simulator.text import WORDS

# Below this depth only what a schema requires is filled in, so that a recursive schema comes to an end.
DEEP = 4
DEEPEST = 24

FORMATS: dict[str, str] = {
    "date-time": "2026-01-15T09:30:00Z",
    "date": "2026-01-15",
    "time": "09:30:00Z",
    "duration": "PT30M",
    "email": "someone@example.com",
    "hostname": "example.com",
    "uri": "https://example.com/",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "6f2d8a4e-3b1c-4c5d-9e7f-0a1b2c3d4e5f",
}


def build_instance(schema: Mapping[str, Any], rng: random.Random) -> Any:
    """A value that SCHEMA accepts; RNG picks the words in it."""
    return _Builder(schema, rng).build(schema, 0)


class _Builder:
    def __init__(self, root: Mapping[str, Any], rng: random.Random) -> None:
        self._root = root
        self._rng = rng
        self._by_type: dict[str, Callable[[Mapping[str, Any], int], Any]] = {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "integer": self._integer,
            "number": self._number,
            "boolean": lambda schema, depth: True,
            "null": lambda schema, depth: None,
        }

    def build(self, schema: Mapping[str, Any], depth: int) -> Any:
        if depth > DEEPEST:
            return None
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][0]
        if isinstance(schema.get("$ref"), str):
            return self.build(self._find(schema["$ref"]), depth + 1)
        for key in ("anyOf", "oneOf"):
            if schema.get(key):
                return self.build(self._choose(schema[key], depth), depth + 1)
        if schema.get("allOf"):
            schema = self._merge(schema)
        return self._by_type[self._type(schema)](schema, depth)

    def _find(self, ref: str) -> Mapping[str, Any]:
        found: Any = self._root
        for part in ref.removeprefix("#").split("/")[1:]:
            found = found.get(part.replace("~1", "/").replace("~0", "~"), {})
        return found if isinstance(found, Mapping) else {}

    def _choose(self, options: list[Mapping[str, Any]], depth: int) -> Mapping[str, Any]:
        nested = ("object", "array")
        simple = [option for option in options if "$ref" not in option and option.get("type") not in nested]
        return simple[0] if simple and depth > DEEP else options[0]

    def _merge(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
        for part in schema["allOf"]:
            resolved = self._find(part["$ref"]) if "$ref" in part else part
            properties = {**merged.get("properties", {}), **resolved.get("properties", {})}
            required = [*merged.get("required", []), *resolved.get("required", [])]
            merged |= resolved
            merged |= {"properties": properties, "required": required} if properties else {}
        return merged

    def _type(self, schema: Mapping[str, Any]) -> str:
        stated = schema.get("type")
        if isinstance(stated, list):
            stated = stated[0] if stated else None
        if stated in self._by_type:
            return str(stated)
        return "object" if "properties" in schema else "array" if "items" in schema else "string"

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        required = schema.get("required", ())
        properties = schema.get("properties", {})
        return {
            name: self.build(part, depth + 1) for name, part in properties.items() if name in required or depth < DEEP
        }

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        fixed = [self.build(part, depth + 1) for part in schema.get("prefixItems", ())]
        least = int(schema.get("minItems", 0))
        most = int(schema.get("maxItems", max(least, 1)))
        wanted = min(most, max(least, 1 if depth < DEEP and not fixed else 0))
        items = schema.get("items")
        part = items if isinstance(items, Mapping) else {}
        return fixed + [self.build(part, depth + 1) for _ in range(wanted - len(fixed))]

    def _string(self, schema: Mapping[str, Any], depth: int) -> str:
        if schema.get("format") in FORMATS:
            return FORMATS[schema["format"]]
        word = self._rng.choice(WORDS)
        least = int(schema.get("minLength", 0))
        while len(word) < least:
            word += f" {self._rng.choice(WORDS)}"
        return word[: int(schema.get("maxLength", len(word)))]

    def _integer(self, schema: Mapping[str, Any], depth: int) -> int:
        step = int(schema.get("multipleOf", 1)) or 1
        low = schema.get("minimum", schema.get("exclusiveMinimum", -step) + 1 if "exclusiveMinimum" in schema else None)
        high = schema.get("maximum", schema["exclusiveMaximum"] - 1 if "exclusiveMaximum" in schema else None)
        value = 1 if low is None else int(low)
        if high is not None:
            value = min(value, int(high))
        up = -(-value // step) * step
        return up if high is None or up <= high else value // step * step

    def _number(self, schema: Mapping[str, Any], depth: int) -> float:
        low = schema.get("minimum", schema.get("exclusiveMinimum"))
        high = schema.get("maximum", schema.get("exclusiveMaximum"))
        if low is not None and high is not None:
            return (float(low) + float(high)) / 2
        if low is not None:
            return float(low) + 0.5
        return 1.5 if high is None else min(1.5, float(high) - 0.5)
