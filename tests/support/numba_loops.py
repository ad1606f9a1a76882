"""When the tests of what numba compiles run."""

import os

import pytest

from hybridnet.device import loops

#: In CI the extra ``cpu`` is installed; elsewhere, and beside the oldest NumPy, it may be missing.
needed = pytest.mark.skipif(not loops.available() and "CI" not in os.environ, reason="numba is not installed (the extra cpu)")
