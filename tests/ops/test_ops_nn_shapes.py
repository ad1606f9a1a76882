"""Operators that take a shape from another array, and images in other sizes."""

from typing import Any

import numpy as np
import pytest
from support.nn_values import Data, close, gradients, normal, plain_deconvolution

from hybridnet import dtypes
from hybridnet.core import array
from hybridnet.errors import ArgumentError, ShapeError
from hybridnet.ops.nn import like, resize

# -- shapes from others ---------------------------------------------------------------------------


def test_like() -> None:
    x = array(np.zeros((4, 3, 2), np.float32))
    close(like.arange_like(x, 2, 3), 2 + 3 * np.arange(24).reshape(4, 3, 2))
    close(like.arange_like(x, 2, 3, axis=1), [2, 5, 8])
    close(like.arange_like(x, axis=0, repeat=3), [0, 0, 0, 1])
    assert like.arange_like(x).dtype == dtypes.float32
    assert like.reshape_like(array(normal(30, 7)), array(normal(15, 2, 4)), 0, 1, 0, 2).shape == (15, 2, 7)
    assert like.reshape_like(array(normal(6)), array(normal(2, 3))).shape == (2, 3)
    assert like.reshape_like(array(normal(2, 3, 5)), array(normal(7, 6)), 0, -1, 1, 2).shape == (6, 5)
    assert like.slice_like(array(normal(4, 5, 6)), array(normal(2, 3, 9)), axes=(0, -2)).shape == (2, 3, 6)
    close(like.slice_like(array(np.arange(4)), array(normal(2))), [0, 1])
    assert like.slice_like(array(normal(4)), array(normal(1, 3, 2)), axes=0).shape == (1,)
    assert like.broadcast_like(array(normal(1, 3)), array(normal(2, 3)), 0, 0).shape == (2, 3)
    assert like.broadcast_like(array(normal(1, 2, 3)), array(normal(5, 6, 7, 8)), (0,), (-1,)).shape == (8, 2, 3)
    assert like.broadcast_like(array(normal(1, 3)), array(normal(2, 3))).shape == (2, 3)
    for function, shape in ((like.reshape_like, (4,)), (like.slice_like, (9, 9, 9)), (like.broadcast_like, (5,))):
        with pytest.raises(ShapeError):
            function(x, array(normal(*shape)))


def test_stop_gradient() -> None:
    (g,) = gradients(lambda a: a * like.stop_gradient(a), np.array([3.0, 4.0]))
    close(g, [3, 4])


# -- images ---------------------------------------------------------------------------------------


def plain_interpolation(x: Data, out: int, align_corners: bool) -> Data:
    """Along the last axis."""
    n = x.shape[-1]
    columns = []
    for i in range(out):
        source = i * (n - 1) / max(out - 1, 1) if align_corners else min(max((i + 0.5) * n / out - 0.5, 0), n - 1)
        left = min(int(source), n - 1)
        right = min(left + 1, n - 1)
        columns.append(x[..., left] * (1 - (source - left)) + x[..., right] * (source - left))
    return np.stack(columns, -1)


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("size", [(4, 7), (2, 2), (1, 5)])
def test_bilinear_resize(size: Any, align_corners: bool) -> None:
    x = normal(2, 3, 3, 4)
    expected = plain_interpolation(plain_interpolation(x, size[1], align_corners).swapaxes(2, 3), size[0], align_corners).swapaxes(2, 3)
    close(resize.bilinear_resize2d(array(x), *size, align_corners=align_corners), expected)


def test_resize_by_scale() -> None:
    assert resize.bilinear_resize2d(array(normal(1, 1, 4, 6)), scale_height=1.5, scale_width=0.5).shape == (1, 1, 6, 3)


@pytest.mark.parametrize("size", [1, (2, 3), (5, 7), (6, 4)])
def test_adaptive_average(size: Any) -> None:
    x = normal(2, 3, 5, 7)
    rows, columns = (size, size) if isinstance(size, int) else size
    expected = np.zeros((2, 3, rows, columns))
    for i, j in np.ndindex(rows, columns):
        part = x[:, :, i * 5 // rows : -(-(i + 1) * 5 // rows), j * 7 // columns : -(-(j + 1) * 7 // columns)]
        expected[:, :, i, j] = part.mean((2, 3))
    close(resize.adaptive_avg_pooling2d(array(x), size), expected)


def test_upsampling() -> None:
    x, y = normal(1, 2, 2, 3), normal(1, 1, 4, 6, seed=1)
    close(resize.upsampling(array(x), scale=3), x.repeat(3, 2).repeat(3, 3))
    joined = resize.upsampling(array(x), array(y), scale=2)
    close(joined, np.concatenate([x.repeat(2, 2).repeat(2, 3), y], 1))
    added = resize.upsampling(array(x), array(x), scale=2, multi_input_mode="sum")
    close(added, 2 * x.repeat(2, 2).repeat(2, 3))
    w = normal(2, 1, 4, 4, seed=2)
    smooth = resize.upsampling(array(x), array(w), scale=2, sample_type="bilinear", num_filter=2)
    close(smooth, plain_deconvolution(x, w, (2, 2), (1, 1), (1, 1), 2, (4, 6)))
    with pytest.raises(ArgumentError, match=r"\[upsampling\]"):
        resize.upsampling(array(x), scale=2, sample_type="cubic")
