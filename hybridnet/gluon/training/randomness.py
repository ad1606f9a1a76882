"""All random state that training draws from: hybridnet's, NumPy's global generator, Python's ``random``."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy

from hybridnet.core import random as ours


def state_dict() -> dict[str, Any]:
    """The random state of now, as numbers, strings, lists and arrays."""
    kind, key, place, has_gauss, gauss = numpy.random.get_state(legacy=True)
    version, numbers, following = random.getstate()
    return {
        "hybridnet": ours.state_dict(),
        "numpy": [kind, numpy.array(key), place, has_gauss, gauss],
        "python": [version, list(numbers), following],
    }


def load_state_dict(state: Mapping[str, Any]) -> None:
    """Draw on from where :func:`state_dict` was called."""
    ours.load_state_dict(state["hybridnet"])
    numpy.random.set_state(tuple(state["numpy"]))
    version, numbers, following = state["python"]
    random.setstate((version, tuple(numbers), following))
