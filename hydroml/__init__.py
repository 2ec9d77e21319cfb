"""hydroml: regional LSTM and EA-LSTM streamflow forecasting."""

from hydroml.version import __version__

__all__ = ["__version__"]
