"""Running compiled programs: arenas, flat state, threads."""
