"""The core operators, one family a file, in NumPy's semantics."""
