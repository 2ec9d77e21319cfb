"""Generators that learn from a critic: losses, one trainer for all of them, unpaired domains."""
