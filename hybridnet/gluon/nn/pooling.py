"""Pooling in one to three dimensions, by windows or over everything; padding by reflection."""

from __future__ import annotations

from typing import Any

from hybridnet.gluon.block import HybridBlock
from hybridnet.gluon.nn.convolution import LAYOUTS, checked_layout
from hybridnet.ops.nn.common import as_tuple


class _Pool(HybridBlock):
    """What all pooling layers share; ``nd`` is the number of axes that are pooled."""

    nd: int
    pool_type: str
    whole = False

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: Any = 0,
        layout: str | None = None,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        name, nd = type(self).__name__, self.nd
        kernel = as_tuple(name, "pool_size", pool_size, nd, 1)
        self._kwargs: dict[str, Any] = {
            "kernel": kernel,
            "stride": kernel if strides is None else as_tuple(name, "strides", strides, nd, 1),
            "pad": as_tuple(name, "padding", padding, nd, 0),
            "global_pool": self.whole,
            "pool_type": self.pool_type,
            "pooling_convention": "full" if ceil_mode else "valid",
            "layout": checked_layout(name, layout or LAYOUTS[nd][0], nd),
        }
        if self.pool_type == "avg" and not self.whole:
            self._kwargs["count_include_pad"] = count_include_pad

    def _alias(self) -> str:
        return "pool"

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return F.Pooling(x, name="fwd", **self._kwargs)

    def __repr__(self) -> str:
        k, full = self._kwargs, self._kwargs["pooling_convention"] == "full"
        size = f"size={k['kernel']}, stride={k['stride']}, padding={k['pad']}, ceil_mode={full}"
        return f"{type(self).__name__}({size}, global_pool={self.whole}, pool_type={self.pool_type}, layout={k['layout']})"


class _MaxPool(_Pool):
    pool_type = "max"

    def __init__(
        self, pool_size: Any = 2, strides: Any = None, padding: Any = 0, layout: str | None = None, ceil_mode: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(pool_size, strides, padding, layout, ceil_mode, **kwargs)


class MaxPool1D(_MaxPool):
    """The largest of each window over (batch, channels, width)."""

    nd = 1


class MaxPool2D(_MaxPool):
    """The largest of each window over (batch, channels, height, width)."""

    nd = 2


class MaxPool3D(_MaxPool):
    """The largest of each window over (batch, channels, depth, height, width)."""

    nd = 3


class AvgPool1D(_Pool):
    """The mean of each window over (batch, channels, width)."""

    nd, pool_type = 1, "avg"


class _AvgPoolCeilFirst(_Pool):
    """MXNet's order of arguments in two and three dimensions: ceil_mode stands before layout."""

    pool_type = "avg"

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        layout: str | None = None,
        count_include_pad: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, layout, ceil_mode, count_include_pad, **kwargs)


class AvgPool2D(_AvgPoolCeilFirst):
    """The mean of each window over (batch, channels, height, width)."""

    nd = 2


class AvgPool3D(_AvgPoolCeilFirst):
    """The mean of each window over (batch, channels, depth, height, width)."""

    nd = 3


class _GlobalPool(_Pool):
    whole = True

    def __init__(self, layout: str | None = None, **kwargs: Any) -> None:
        super().__init__(1, None, 0, layout, True, **kwargs)


class GlobalMaxPool1D(_GlobalPool):
    """The largest of (batch, channels, width) over the width, which is kept with length 1."""

    nd, pool_type = 1, "max"


class GlobalMaxPool2D(_GlobalPool):
    """The largest over height and width, which are kept with length 1."""

    nd, pool_type = 2, "max"


class GlobalMaxPool3D(_GlobalPool):
    """The largest over depth, height and width, which are kept with length 1."""

    nd, pool_type = 3, "max"


class GlobalAvgPool1D(_GlobalPool):
    """The mean over the width, which is kept with length 1."""

    nd, pool_type = 1, "avg"


class GlobalAvgPool2D(_GlobalPool):
    """The mean over height and width, which are kept with length 1."""

    nd, pool_type = 2, "avg"


class GlobalAvgPool3D(_GlobalPool):
    """The mean over depth, height and width, which are kept with length 1."""

    nd, pool_type = 3, "avg"


class ReflectionPad2D(HybridBlock):
    """(batch, channels, height, width) widened by mirroring it at its edges.

    ``padding``: a number for all four sides, or MXNet's eight numbers (before and after, axis by axis).
    """

    def __init__(self, padding: Any = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._padding = (0, 0, 0, 0, padding, padding, padding, padding) if isinstance(padding, int) else tuple(padding)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return F.pad(x, mode="reflect", pad_width=self._padding)
