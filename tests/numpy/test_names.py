"""NumPy's public names: those that ``np`` has not are in a table of the documentation, each with a reason, and no other is missing."""

import re

import numpy
import pytest
from support.paths import ROOT

from hybridnet import np

_TABLE = (ROOT / "docs/differences.md").read_text(encoding="utf-8").partition("## Names of NumPy's that are not here")[2]
ROWS = [line.strip("| ").split(" | ") for line in _TABLE.splitlines() if line.startswith("| `")]
REASONS = {name: why for names, why in ROWS for name in re.findall(r"`([^`]+)`", names)}

MODULES = ("", "random.", "linalg.", "fft.", "lib.", "lib.stride_tricks.")


def _in(module: object, path: str) -> bool:
    for part in path.split("."):
        try:
            module = getattr(module, part)
        except AttributeError:
            return False
    return True


def missing() -> set[str]:
    """The public names of the NumPy that is installed that are not in ``np``."""
    found = set()
    for module in MODULES:
        source = numpy
        for part in module.split(".")[:-1]:
            source = getattr(source, part)
        public = [name for name in getattr(source, "__all__", dir(source)) if not name.startswith("_")]
        found |= {module + name for name in public if not _in(np, module + name)}
    return found


of_the_newest = pytest.mark.skipif(numpy.lib.NumpyVersion(numpy.__version__) < "2.4.0", reason="the table is of NumPy 2.4's names")


@of_the_newest
def test_each_name_that_is_missing_has_a_reason() -> None:
    assert missing() - set(REASONS) == set()
    assert not [name for name in REASONS if _in(np, name)]
    assert all(len(why) > 10 for why in REASONS.values())


@of_the_newest
def test_the_table_speaks_of_names_that_numpy_has() -> None:
    machines_own = {"float128", "complex256"}  # not on every processor
    assert {name for name in REASONS if not _in(numpy, name)} <= machines_own
