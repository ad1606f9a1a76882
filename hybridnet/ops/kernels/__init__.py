"""How operators describe the kernels of a GPU that move elements: places, cuts, lookups."""
