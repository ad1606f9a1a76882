"""What the tests of Winograd's transform share: convolutions, their operands, and their results in float64."""

from typing import Any

import numpy as np

from hybridnet.device import onednn

RELU = onednn.Activation("relu")


def asked(data: Any, filters: int, pad: tuple[int, int] = (1, 1), **more: Any) -> onednn.Convolution:
    """A convolution of data (N, H, W, C), or (N, C, H, W) where it is not ``last``."""
    sizes = {"stride": (1, 1), "pad": pad, "dilate": (1, 1), "groups": 1, "last": True, **more}
    last = sizes["last"]
    n, *rest = data
    (height, width), channels = (rest[:2], rest[2]) if last else (rest[1:], rest[0])
    out = height + 2 * pad[0] - 2, width + 2 * pad[1] - 2
    weight = (filters, 3, 3, channels) if last else (filters, channels, 3, 3)
    return onednn.Convolution("result", tuple(data), weight, (n, *out, filters) if last else (n, filters, *out), **sizes)


def operands(wanted: onednn.Convolution, rng: Any) -> list[Any]:
    """Data, weight, and what comes behind."""
    return [rng.normal(size=x.shape).astype("float32") for x in wanted.operands()[:-1]]


def in_float64(wanted: onednn.Convolution, x: Any, w: Any, *behind: Any) -> Any:
    """The result as it should be."""
    if not wanted.last:
        x, w = x.transpose(0, 2, 3, 1), w.transpose(0, 2, 3, 1)
    wide = np.pad(x.astype(float), ((0, 0), *[(p, p) for p in wanted.pad], (0, 0)))
    rows, places = wide.shape[1] - 2, wide.shape[2] - 2
    y = np.zeros((len(x), rows, places, len(w)))
    for i in range(3):
        for j in range(3):
            y += wide[:, i : i + rows, j : j + places] @ w[:, i, j].T.astype(float)
    for more in behind:
        y = y + more
    y = np.maximum(y, 0) if wanted.activation else y
    return y if wanted.last else y.transpose(0, 3, 1, 2)


def strided(x: Any) -> Any:
    """The same numbers with gaps, and every axis in the other direction in memory."""
    wide = np.zeros((*x.shape[::-1], 2), x.dtype)[..., 0].T
    wide[...] = x
    return wide


def computed(wanted: onednn.Convolution, given: list[Any], found: Any, lay: Any = np.ascontiguousarray) -> Any:
    """The result by how the weight is packed and a call, of scratch and results that hold anything."""
    packing, call = found
    packed, scratch = np.full(packing.size, 255, np.uint8), np.full(call.workspace, 255, np.uint8)
    x, w, *behind = map(lay, given)
    packing(w, packed)
    around = np.full((wanted.result[0] + 2, *wanted.result[1:]), np.nan, "float32")
    out = around[1:-1]
    with call.session:
        bound = call.bind([None, packed, *behind, None], scratch)
        for _ in range(2):  # of a scratch that holds the last result
            bound(x, out)
    assert np.isnan(around[0]).all()
    assert np.isnan(around[-1]).all()
    again = lay(np.full(wanted.result, np.nan, "float32"))
    call(x, packed, *behind, again)
    np.testing.assert_array_equal(again, out)
    return out
