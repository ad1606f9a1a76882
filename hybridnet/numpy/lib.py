"""NumPy's ``lib``, of which the arrays seen in other shapes are here."""

from hybridnet.numpy import stride_tricks

__all__ = ["stride_tricks"]
