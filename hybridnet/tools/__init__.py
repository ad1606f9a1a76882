"""Programs to be run as ``python -m hybridnet.tools.NAME``."""
