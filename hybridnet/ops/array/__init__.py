"""Making, shaping, joining, indexing, choosing and sorting arrays."""
