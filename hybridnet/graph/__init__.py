"""The graph: its IR, tracing, printer, verifier, reference interpreter and passes."""
