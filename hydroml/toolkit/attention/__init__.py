"""Attention over sets: retrieval, pooling, slots."""
