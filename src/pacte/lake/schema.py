"""How the declared types of a policy lie in the lake: the one place that turns a type's name into Arrow's."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from pacte.lake.segments import SYSTEM

TYPES = {
    "string": pa.string(),
    "integer": pa.int64(),
    "decimal": pa.decimal128(18, 4),
    "date": pa.date32(),
    "instant": pa.int64(),  # an Instant: microseconds since 1970-01-01T00:00:00Z
    "boolean": pa.bool_(),
}
"""Type names of the policy to the types of columns."""


def schema_of(types: Mapping[str, str]) -> pa.Schema:
    """The columns of a dataset: the system's first, then the declared ones (name → type name)."""
    return pa.schema([*SYSTEM, *(pa.field(name, TYPES[kind]) for name, kind in types.items())])
