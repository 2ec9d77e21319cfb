"""The version of hydroml, without any import."""

__version__ = "0.1.0"
