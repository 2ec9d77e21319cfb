"""Text tables of static attributes: typed columns, ids as strings, errors with a line number."""

import io
from collections.abc import Sequence

import numpy as np
import pandas as pd

from hydroml.errors import SourceError


def read_table(
    content: bytes, label: str, separator: str, text_columns: Sequence[str] = ()
) -> pd.DataFrame:
    r"""Read one table of attributes.

    Parameters
    ----------
    content : bytes
        The file's content, first line column names, one of them ``gauge_id``.
    label : str
        The file's name in error messages.
    separator : str
        Between two columns.
    text_columns : sequence of str
        Columns kept as text even if they look like numbers (``huc_02``).

    Returns
    -------
    pandas.DataFrame
        Index ``gauge_id`` (strings). A column of which at least half reads as numbers is
        float64; ``NA`` and empty are NaN in it, and the empty string in a text column.

    Raises
    ------
    SourceError
        No ``gauge_id``, a line with too many columns, a gauge twice, text among numbers.

    Examples
    --------
    >>> read_table(b"gauge_id;p_mean\n01022500;3.6\n01031500;NA\n", "clim.txt", ";").p_mean
    gauge_id
    01022500    3.6
    01031500    NaN
    Name: p_mean, dtype: float64
    """
    table = _parse(content, label, separator)
    if "gauge_id" not in table.columns:
        raise SourceError(
            f"{label}, line 1: there is no column 'gauge_id', only {list(table.columns)[:6]}.",
            "Give the attribute file as it is distributed.",
        )
    ids = table["gauge_id"].str.strip()
    if ids.duplicated().any():
        line = int(np.argmax(ids.duplicated())) + 2
        raise SourceError(
            f"{label}, line {line}: gauge {ids.iloc[line - 2]} stands twice.",
            "Keep one line a gauge.",
        )
    columns = {
        name: _typed(table[name], label, text=name in text_columns)
        for name in table.columns
        if name != "gauge_id"
    }
    return pd.DataFrame(columns, index=pd.Index(ids.to_numpy(object), name="gauge_id"))


def join_tables(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Join tables on the gauge id; of a column in several tables the first is kept.

    Examples
    --------
    >>> one = pd.DataFrame({"a": [1.0]}, index=["01"])
    >>> two = pd.DataFrame({"a": [9.0], "b": [2.0]}, index=["01"])
    >>> join_tables([one, two]).loc["01"].tolist()
    [1.0, 2.0]
    """
    joined = pd.DataFrame(index=pd.Index([], dtype=object, name="gauge_id"))
    for table in tables:
        new = table[[c for c in table.columns if c not in joined.columns]]
        joined = joined.join(new, how="outer")
    return joined.sort_index().rename_axis("gauge_id")


def _parse(content: bytes, label: str, separator: str) -> pd.DataFrame:
    try:
        # the line of names is read like the others, so that a longer one cannot pass unnoticed
        lines = pd.read_csv(
            io.BytesIO(content),
            sep=separator,
            header=None,
            dtype=str,
            keep_default_na=False,
            skip_blank_lines=False,
            encoding="utf-8-sig",
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise SourceError(
            f"{label} is not a table of attributes ({str(error).strip()}).",
            f"Give the file as it is distributed, columns separated by {separator!r}.",
        ) from error
    blank = (lines.fillna("") == "").all(axis=1)
    short = lines.isna().any(axis=1) & ~blank
    if short.any():
        raise SourceError(
            f"{label}, line {int(np.argmax(short)) + 1} has fewer columns than line 1.",
            "Download the file again.",
        )
    names = lines.iloc[0].str.strip().to_list()
    return lines[1:][~blank[1:]].set_axis(names, axis="columns").reset_index(drop=True)


def _typed(column: pd.Series, label: str, *, text: bool) -> np.ndarray:
    values = column.fillna("").str.strip()
    missing = values.isin(["", "NA", "NaN", "nan"])
    numbers = pd.to_numeric(values.mask(missing), errors="coerce").astype("float64")
    garbled = numbers.isna() & ~missing
    if text or garbled.sum() > (~missing).sum() / 2:
        return values.mask(missing, "").to_numpy(object)
    if garbled.any():
        row = int(np.argmax(garbled))
        raise SourceError(
            f"{label}, line {row + 2}, column {column.name!r}: {values.iloc[row]!r} is no number.",
            "Correct the value, or write NA where it is missing.",
        )
    return numbers.to_numpy()
