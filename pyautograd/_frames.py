"""Data frames and series of pandas and polars as arrays; errors name the column that has no numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

DATE = "make a number of it, such as (today - frame[{!r}]).dt.days"


def numbers_of_frame(data: Any, name: str, who: str) -> Array:
    """The columns of a data frame side by side; TypeError with the name of one that has no numbers."""
    pairs: Iterable[Any] = data.items() if hasattr(data, "items") else zip(data.columns, data)
    columns = [numbers_of(column, f"column {label!r} of {name}", who) for label, column in pairs]
    return np.stack(columns, axis=1) if columns else np.empty((len(data), 0))


def numbers_of(data: Any, what: str, who: str) -> Array:
    array = np.asarray(data)
    if array.dtype.kind not in "fiub":
        kind = getattr(data, "dtype", array.dtype)
        advice = "number its categories first, as pandas.get_dummies does, or factorize"
        if is_of_dates(array.dtype):
            advice = DATE.format(getattr(data, "name", "day"))
        raise TypeError(f"{who}: {what} is {kind}, no numbers; {advice}")
    return array


def is_of_dates(dtype: Any) -> bool:
    """NumPy's and pandas's dtypes have a kind, polars's a method."""
    return getattr(dtype, "kind", "") in ("m", "M") or bool(getattr(dtype, "is_temporal", bool)())
