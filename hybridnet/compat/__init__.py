"""Other frameworks' programs, run as they are."""
