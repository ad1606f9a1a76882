"""One image, what MXNet 1.9.1 makes of it, and the comparison with that."""

from typing import Any

import numpy as np
from support.paths import DATA

import hybridnet as hn

#: What MXNet 1.9.1 makes of one image; see tests/gluon/test_transforms.py for the rest of it.
MXNET = dict(np.load(DATA / "mxnet_1_9_1_images.npz"))
PICTURE = MXNET["image"]


def array(x: np.ndarray = PICTURE, cls: Any = hn.np) -> Any:
    return cls.array(x, dtype=x.dtype)


def close(found: Any, name: str, tolerance: float = 0) -> None:
    found = found if isinstance(found, np.ndarray) else found.asnumpy()
    assert found.dtype == MXNET[name].dtype, name
    np.testing.assert_allclose(found.astype(float), MXNET[name].astype(float), rtol=0, atol=tolerance, err_msg=name)
