"""Runs of other packages, read into run directories of hydroml."""
