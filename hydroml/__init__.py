"""hydroml: regional LSTM and EA-LSTM streamflow forecasting.

>>> import hydroml
>>> hydroml.train.__module__  # loaded on first use
'hydroml.api.training'
"""

from importlib import import_module
from typing import Any

from hydroml.version import __version__

__all__ = [
    "__version__", "adapt", "analyse_sensitivity", "classify_states", "evaluate", "explain",
    "explain_volume", "find_donors", "find_flood_weeks", "generate_weather", "import_run",
    "load_config", "open_store", "resume", "train", "write_report",
]  # fmt: skip

_HOMES = {
    "adapt": "hydroml.api",
    "analyse_sensitivity": "hydroml.api",
    "classify_states": "hydroml.api",
    "evaluate": "hydroml.api",
    "explain": "hydroml.api",
    "explain_volume": "hydroml.api",
    "find_donors": "hydroml.api",
    "find_flood_weeks": "hydroml.api",
    "generate_weather": "hydroml.api",
    "import_run": "hydroml.api",
    "load_config": "hydroml.config",
    "open_store": "hydroml.data.store",
    "resume": "hydroml.api",
    "train": "hydroml.api",
    "write_report": "hydroml.api",
}


def __getattr__(name: str) -> Any:
    """Import on first use: ``import hydroml`` loads neither torch nor xarray."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'hydroml' has no attribute {name!r}")
