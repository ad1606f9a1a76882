"""Element by element, along axes, and what statistics make of both."""
