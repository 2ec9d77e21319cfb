"""Small pieces of HTML: every text from data goes through here, escaped."""

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

MISSING = "–"


def number(value: Any, digits: int = 2) -> str:
    """Write a number for a table.

    Examples
    --------
    >>> number(0.4567), number(-61233721333.6), number(float("nan")), number(1234.5)
    ('0.46', '−6.1e+10', '–', '1234')
    >>> number(-0.001)
    '0.00'
    """
    try:
        v = float(value)
    except (TypeError, ValueError):
        return MISSING
    if not math.isfinite(v):
        return MISSING
    text = f"{v:.1e}" if abs(v) >= 1e6 else f"{v:.{digits if abs(v) < 100 else 0}f}"
    negative = text.startswith("-") and any(digit in text for digit in "123456789")
    return ("−" if negative else "") + text.lstrip("-")


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    label: str,
    caption: str = "",
    classes: str = "",
) -> str:
    """Write a table that scrolls in its box; the first column heads its row.

    Parameters
    ----------
    head : sequence of str
        Titles of the columns.
    rows : iterable of sequences
        Cells; what is not a text is written as a number.
    label : str
        What it holds, for screen readers.
    caption : str
        Under the table.
    classes : str
        Of the table element.

    Examples
    --------
    >>> "&lt;b&gt;" in table(["run"], [["<b>"]], label="runs")
    True
    """
    top = "".join(f'<th scope="col">{escape(title)}</th>' for title in head)
    body = "".join(f"<tr>{_row(cells)}</tr>" for cells in rows)
    note = f"<caption>{escape(caption)}</caption>" if caption else ""
    kind = f' class="{escape(classes)}"' if classes else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}">'
        f"<table{kind}>{note}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _row(cells: Sequence[Any]) -> str:
    first, *rest = cells
    head = f'<th scope="row">{escape(str(first))}</th>'
    return head + "".join(
        f"<td>{escape(c)}</td>" if isinstance(c, str) else f'<td class="n">{number(c)}</td>'
        for c in rest
    )


def spelled(unit: str) -> str:
    """Write a unit as readers do.

    Examples
    --------
    >>> spelled("d yr-1"), spelled("%")
    ('days/yr', '%')
    """
    known = {"d": "days", "d yr-1": "days/yr", "yr-1": "per yr", "mm yr-1": "mm/yr", "1": "-"}
    return {"mm d-1": "mm/d", **known}.get(unit, unit)


def listed(texts: Iterable[str], classes: str = "") -> str:
    """Write a list, or nothing for no texts.

    Examples
    --------
    >>> listed(["a < b"])
    '<ul><li>a &lt; b</li></ul>'
    """
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    kind = f' class="{escape(classes)}"' if classes else ""
    return f"<ul{kind}>{items}</ul>" if items else ""


def missing(what: str, command: str) -> str:
    """Say that a part is not there, and the command that makes it.

    Examples
    --------
    >>> missing("No scores.", "hydroml evaluate RUN")
    '<p class="missing">No scores. To add it: <code>hydroml evaluate RUN</code></p>'
    """
    return f'<p class="missing">{escape(what)} To add it: <code>{escape(command)}</code></p>'


def bars(rows: Sequence[tuple[str, float, str]], label: str) -> str:
    """Draw horizontal bars of values from 0 to 1.

    Parameters
    ----------
    rows : sequence of (name, value, note)
        Bars from the top; the note is what hovering shows.
    label : str
        What the picture shows, for screen readers.

    Examples
    --------
    >>> bars([("p_mean", 0.5, "")], "ranking").count("<rect")
    1
    """
    step, left, width = 20, 168, 250
    parts = []
    for k, (name, value, note) in enumerate(rows):
        y, length = step * k, max(value, 0) * width
        parts.append(
            f"<g><title>{escape(name)}: {number(value)} {escape(note)}</title>"
            f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{left}" y="{y + 3}" width="{length:.1f}" height="14"/>'
            f'<text x="{left + length + 6:.1f}" y="{y + 14}">{number(value)}</text></g>'
        )
    return (
        f'<svg class="bars" role="img" aria-label="{escape(label)}" '
        f'viewBox="0 0 {left + width + 42} {step * len(rows) + 4}">{"".join(parts)}</svg>'
    )
