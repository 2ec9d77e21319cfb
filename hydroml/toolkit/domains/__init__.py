"""Published models of one trade each: molecules, quantum optics, point clouds, rain on pictures."""
