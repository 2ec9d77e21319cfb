"""Report: maps, figures and pages of a run; the only package that draws."""
