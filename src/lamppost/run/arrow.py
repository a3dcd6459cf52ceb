"""Features and collisions as arrow tables, as they are written to parquet."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Collisions
from lamppost.features import Table

__all__ = ["arrow_collisions", "arrow_features"]


def arrow_features(table: Table, counts: Mapping[str, Any], origin: Mapping[str, NDArray[Any]]) -> Any:
    """One row per event: where it came from, its features, the constituents of its jets as lists of fixed size."""
    import pyarrow as pa

    columns = {**origin, **table.columns}
    arrays = [pa.array(values) for values in columns.values()]
    fields = [pa.field(name, array.type) for name, array in zip(columns, arrays, strict=True)]
    for name, values in table.blocks.items():
        _, particles, width = values.shape
        flat = pa.array(np.ascontiguousarray(values, np.float32).ravel())
        arrays.append(pa.FixedSizeListArray.from_arrays(flat, particles * width))
        fields.append(pa.field(name, arrays[-1].type, metadata={"particles": str(particles), "columns": str(width)}))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata={"about": json.dumps(counts)}))


def arrow_collisions(collisions: Collisions, counts: Mapping[str, Any]) -> Any:
    """One row per event: its scalars, and a list of records for each collection of objects."""
    import pyarrow as pa

    columns = {name: pa.array(values) for name, values in collisions.scalars.items()}
    for name, objects in collisions.objects.items():
        records = pa.StructArray.from_arrays([pa.array(a) for a in objects.fields.values()], names=[*objects.fields])
        columns[name] = pa.ListArray.from_arrays(pa.array(objects.offsets.astype(np.int32)), records)
    return pa.table(columns).replace_schema_metadata({"about": json.dumps(counts)})
