"""Recurrent cells and self-normalising networks."""
