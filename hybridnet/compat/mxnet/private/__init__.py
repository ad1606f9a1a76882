"""What MXNet keeps to itself in its modules, and programs reach into all the same: :mod:`.names` says what is where.

The functions are small ones over hybridnet's own, with MXNet's names and parameters. Nothing of hybridnet uses them.
"""
