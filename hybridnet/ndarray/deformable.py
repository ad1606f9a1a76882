"""``nd.contrib``'s deformable convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from hybridnet.errors import ArgumentError, fail
from hybridnet.ndarray.attributes import Array, Shape
from hybridnet.ndarray.record import Attributes, unless
from hybridnet.ndarray.register import classic
from hybridnet.ndarray.shapes import from_input, kernel_shape
from hybridnet.ops.nn.deformable import deformable_convolution
from hybridnet.ops.nn.windows import output_size


def _shapes(data: Shape, a: Attributes) -> Mapping[str, Shape]:
    kernel = a["kernel"]
    sides = zip(data[2:], kernel, a["stride"] or (1, 1), a["pad"] or (0, 0), a["dilate"] or (1, 1), strict=True)
    places = (data[0], a["num_deformable_group"] * kernel[0] * kernel[1], *(output_size(*side) for side in sides))
    return {
        "offset": (places[0], 2 * places[1], *places[2:]),
        "mask": places,
        "weight": kernel_shape(a["num_filter"], data[1] // a["num_group"], kernel, False),
        "bias": (a["num_filter"],),
    }


_GIVEN: dict[str, Any] = {"asked": {"bias": unless("no_bias")}, "required": ("kernel", "num_filter")}


@classic("_contrib_DeformableConvolution", **_GIVEN, shapes=from_input("data", _shapes))
def DeformableConvolution(
    data: Array,
    offset: Array,
    weight: Array,
    bias: Array | None = None,
    kernel: Shape = (),
    stride: Shape = (),
    dilate: Shape = (),
    pad: Shape = (),
    num_filter: int | None = None,
    num_group: int = 1,
    num_deformable_group: int = 1,
    workspace: int = 1024,
    no_bias: bool = False,
    layout: Literal["NCDHW", "NCHW", "NCW"] | None = None,
) -> Any:
    """Convolution in two dimensions whose windows are read at offsets; ``workspace`` means nothing here.

    ``data``: (batch, channels, height, width); ``offset``: (batch, num_deformable_group · 2 · kernel's size, *size of the result),
    down and right in turn. A place outside of the image reads 0. See :func:`hybridnet.ops.nn.deformable.deformable_convolution`.
    """
    _check("DeformableConvolution", kernel, layout)
    sizes = kernel, stride or 1, dilate or 1, pad or 0
    return deformable_convolution(data, offset, None, weight, None if no_bias else bias, *sizes, num_group, num_deformable_group)


@classic("_contrib_ModulatedDeformableConvolution", **_GIVEN, shapes=from_input("data", _shapes))
def ModulatedDeformableConvolution(
    data: Array,
    offset: Array,
    mask: Array,
    weight: Array,
    bias: Array | None = None,
    kernel: Shape = (),
    stride: Shape = (),
    dilate: Shape = (),
    pad: Shape = (),
    num_filter: int | None = None,
    num_group: int = 1,
    num_deformable_group: int = 1,
    workspace: int = 1024,
    no_bias: bool = False,
    im2col_step: int = 64,
    layout: Literal["NCDHW", "NCHW", "NCW"] | None = None,
) -> Any:
    """``DeformableConvolution`` times ``mask`` (batch, num_deformable_group · kernel's size, *size of the result); 0 beyond the edges.

    ``workspace`` and ``im2col_step`` mean nothing here.
    """
    _check("ModulatedDeformableConvolution", kernel, layout)
    sizes = kernel, stride or 1, dilate or 1, pad or 0
    return deformable_convolution(data, offset, mask, weight, None if no_bias else bias, *sizes, num_group, num_deformable_group)


def _check(name: str, kernel: Shape, layout: str | None) -> None:
    if len(kernel) != 2 or layout not in (None, "NCHW"):
        fail(ArgumentError, name, expected="a kernel of two lengths and layout NCHW", got=f"{kernel} and {layout}")
