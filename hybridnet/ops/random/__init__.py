"""Counter-based generators, primitive draws, and the distributions made of them."""
