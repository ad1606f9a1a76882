"""What importing hybridnet loads: nothing heavy that only a few calls need."""

import gc
import subprocess
import sys

import pytest

import hybridnet


def succeeds(code: str) -> bool:
    return subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


LATER = (
    "array_api",
    "numpy_operators.records",
    "symbol.numpy",
    "symbol.numpy_extension",
    "image",
    "io.arrays",
    "keras",
    "recordio",
    "test_utils",
    "gluon.contrib",
    "gluon.data",
    "gluon.model_zoo",
)


def test_loaded_when_used() -> None:
    """Other libraries, Python's for the network, and the packages that not every program needs."""
    heavy = {"scipy", "tqdm", "matplotlib", "cupy", "cudnn", "cv2", "ssl", "http.client", "multiprocessing", "tarfile"}
    heavy |= {f"hybridnet.{name}" for name in LATER}
    assert succeeds(f"import sys, hybridnet; raise SystemExit(bool({heavy!r} & set(sys.modules)))")


@pytest.mark.parametrize(
    "use",
    [
        "import hybridnet as mx; mx.gluon.data.DataLoader; mx.io.NDArrayIter; mx.img.imread; mx.image.det; mx.keras.models.Sequential",
        "import hybridnet as mx; mx.gluon.contrib.estimator.Estimator; mx.gluon.model_zoo.vision.resnet18_v1; mx.test_utils.same",
        "from hybridnet import image, img, io, keras, recordio, test_utils",
        "from hybridnet.gluon import contrib, data, model_zoo",
        "from hybridnet.io import CSVIter, DataBatch, ImageRecordIter, io; from hybridnet.io.io import NDArrayIter",
        "import hybridnet.gluon.data.vision.transforms, hybridnet as mx; mx.gluon.data.vision.MNIST",
        "from hybridnet import *; image.imread; io.CSVIter",
        "from hybridnet.io import *; CSVIter",
        "import hybridnet as mx; mx.np.ones(1).__array_namespace__().asarray(1); mx.array_api.sum",
        "import hybridnet as mx; x = mx.sym.var('x').as_np_ndarray(); (x + x).sum(); mx.sym.np.add(x, 1); mx.sym.npx.relu",
        "from hybridnet.symbol import numpy, npx; from hybridnet.symbol.numpy import add; import hybridnet.symbol.numpy_extension",
    ],
)
def test_what_is_loaded_later_is_found_as_if_it_were_there(use: str) -> None:
    assert succeeds(use)


@pytest.mark.parametrize("package", [hybridnet, hybridnet.gluon, hybridnet.io])
def test_packages_list_what_they_offer(package: object) -> None:
    assert set(package.__all__) <= set(dir(package))  # type: ignore[attr-defined]
    for name in package.__all__:  # type: ignore[attr-defined]
        assert getattr(package, name) is getattr(package, name)


def test_the_collector_goes_on_after_the_import() -> None:
    assert gc.isenabled()
    assert succeeds("import gc, hybridnet; raise SystemExit(not gc.isenabled())")
    assert succeeds("import gc; gc.disable(); import hybridnet; raise SystemExit(gc.isenabled())")


def test_modules_are_old_at_once() -> None:
    """Else the first collection after the import would go over all of them; what the user froze stays frozen, and nothing else is."""
    young = "len(gc.get_objects(generation=0)) + len(gc.get_objects(generation=1))"
    assert succeeds(f"import gc, numpy, ml_dtypes, hybridnet; raise SystemExit({young} > 10_000 or gc.get_freeze_count() > 0)")
    assert succeeds("import gc; gc.freeze(); import hybridnet; raise SystemExit(gc.get_freeze_count() == 0)")


def test_no_sample_is_drawn() -> None:
    """Of the operators that are made by the dozen; tests draw them."""
    assert succeeds(
        "import numpy.random as r; made = []; old = r.default_rng; r.default_rng = lambda *a: (made.append(a), old(*a))[1]\n"
        "import hybridnet; raise SystemExit(len(made) > 30)"
    )
