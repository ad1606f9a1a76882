"""SciPy's modules beside an array module: ``scipy.special`` for numpy, ``cupyx.scipy.special`` for cupy.

Imported at first use, since importing SciPy takes longer than importing this package.
"""

from __future__ import annotations

import importlib
from functools import cache
from types import ModuleType


@cache
def scipy_module(xp: ModuleType, name: str) -> ModuleType:
    """The module ``name`` (``"special"``, ``"sparse"``) that works on arrays of ``xp``."""
    return importlib.import_module(f"scipy.{name}" if xp.__name__ == "numpy" else f"cupyx.scipy.{name}")
