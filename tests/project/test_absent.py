"""Names of MXNet's that are not here: each is told, with what to use instead, wherever it is looked up."""

import importlib
import subprocess
import sys

import pytest

from hybridnet import absent
from hybridnet.absent import AbsentError, AbsentImportError

NAMES = [(module, name) for module, rows in absent._ABSENT.items() for names, _ in rows for name in names.split() if "*" not in name]


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_each_name_is_told(module: str, name: str) -> None:
    package = importlib.import_module(module)
    if name in vars(package):
        return  # it has come since
    with pytest.raises(AttributeError, match=rf"\[{module}.{name}\].*MXNet's that is not there yet; at test_absent.py") as caught:
        getattr(package, name)
    assert isinstance(caught.value, AbsentError)
    assert not hasattr(package, name)


def test_by_import() -> None:
    with pytest.raises(ImportError, match=r"\[hybridnet.rtc\].*not there yet"):
        from hybridnet import rtc  # noqa: F401
    with pytest.raises(AbsentImportError, match=r"\[hybridnet.ndarray.CachedOp\].*try hybridnet.jit"):
        from hybridnet.ndarray import CachedOp  # noqa: F401


def test_families_and_misspellings() -> None:
    from hybridnet import gluon, nd, np

    with pytest.raises(AbsentError, match=r"contrib.backward_hawkesll\].*not there yet"):
        nd.contrib.backward_hawkesll
    with pytest.raises(AbsentError, match=r"expected a name of hybridnet.gluon; got 'Trainr'.*try Trainer"):
        gluon.Trainr
    with pytest.raises(AbsentError, match="try concatenate"):
        np.concatenat


def test_the_import_reads_no_table() -> None:
    """Nothing is looked up in vain while the package is imported."""
    code = "import hybridnet.absent as a; a._text = lambda *x: 1 / 0; import hybridnet"
    subprocess.run([sys.executable, "-c", code], check=True)
