"""Code generation: a graph, or a fused region of one, as the text of a program."""
