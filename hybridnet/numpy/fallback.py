"""The functions that MXNet hands to the official NumPy: here they are operators as all others, on any device and compiled."""

from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.numpy.functions import FUNCTIONS

_NAMES = """
    allclose alltrue apply_along_axis apply_over_axes argpartition argwhere array_equal array_equiv choose compress corrcoef correlate
    count_nonzero cov digitize divmod extract flatnonzero float_power frexp heaviside histogram2d histogram_bin_edges histogramdd i0
    in1d interp intersect1d isclose isin ix_ lexsort modf msort nanargmax nanargmin nancumprod nancumsum nanmax nanmedian nanmin
    nanpercentile nanprod nanquantile ndim packbits partition piecewise poly polyadd polydiv polyfit polyint polymul polysub positive
    ptp rollaxis roots searchsorted select setdiff1d setxor1d signbit size spacing take_along_axis trapz tril_indices_from trim_zeros
    triu_indices_from union1d unpackbits unwrap vander
"""
__all__ = [*_NAMES.split()]

globals().update({name: FUNCTIONS[name] for name in _NAMES.split()})


if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
