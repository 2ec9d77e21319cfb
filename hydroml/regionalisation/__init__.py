"""Basins the model has not seen: donors in attribute space, and adaptation from few years."""
