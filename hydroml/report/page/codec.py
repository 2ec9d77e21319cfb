"""Numbers inside a page: short JSON for columns, packed half floats for large arrays."""

import base64
import json
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_MANTISSA = 23  # bits of a single precision float
_NAN = 0x7E00


def pack(values: ArrayLike, keep: int = 8) -> str:
    """Pack an array into text: rounded half floats, deflated, in base64.

    Mantissas are rounded to `keep` bits, which bounds the relative error by ``2**-(keep + 1)``
    and leaves zeros for deflate to take out ("bit rounding", Klöwer et al. 2021,
    doi 10.1038/s43588-021-00156-2). High bytes come before low bytes, as they resemble each
    other. The page's ``unpack`` (templates/core.js) reverses it.

    Parameters
    ----------
    values : array
        Any shape; flattened in C order. Values beyond +-65504 are set to that.
    keep : int
        Bits of the mantissa to keep, at most the 10 of a half float.

    Returns
    -------
    str
        Base64, without a character that HTML would have to escape.

    Examples
    --------
    >>> unpack(pack([1.0, -2.5, np.nan, 1e9])).tolist()
    [1.0, -2.5, nan, 65504.0]
    """
    flat = np.asarray(values, dtype="f4").ravel()
    largest = np.float32(np.finfo("f2").max)
    bits = np.clip(flat, -largest, largest).view("u4")
    drop = _MANTISSA - keep  # in single precision: rounding twice would miss the bound
    up = np.uint32((1 << (drop - 1)) - 1) + ((bits >> drop) & np.uint32(1))  # ties to even
    rounded = (((bits + up) >> drop) << drop).view("f4")
    half = np.clip(rounded, -largest, largest).astype("<f2").view("<u2")
    half = np.where(np.isnan(flat), np.uint16(_NAN), half)
    planes = np.stack([half >> 8, half & 0xFF]).astype("u1")
    return base64.b64encode(zlib.compress(planes.tobytes(), 6)).decode("ascii")


def unpack(text: str) -> NDArray[np.float32]:
    """Reverse `pack`: a flat array, for tests and for those who read a page from Python.

    Parameters
    ----------
    text : str
        What `pack` returned.
    """
    planes = np.frombuffer(zlib.decompress(base64.b64decode(text)), "u1").reshape(2, -1)
    bits = planes[0].astype("u2") << 8 | planes[1]
    return bits.astype("u2").view("f2").astype("f4")


def short(values: Iterable[Any], digits: int = 4) -> list[float | None]:
    """Round numbers to significant digits; what is not finite becomes None.

    Examples
    --------
    >>> short([0.123456, np.nan, -98765.4, True])
    [0.1235, None, -98770.0, 1.0]
    """
    numbers = np.array([np.nan if v is None else v for v in values], dtype=float)
    return [float(f"{v:.{digits}g}") if np.isfinite(v) else None for v in numbers]


def script_json(tree: Any) -> str:
    r"""Write JSON that is harmless inside a ``<script>`` element, whatever its texts say.

    Examples
    --------
    >>> script_json({"name": "</script><b>"})
    '{"name":"\\u003c/script>\\u003cb>"}'
    """
    text = json.dumps(tree, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
