"""The module in which MXNet keeps how arrays are shown: NumPy's own settings, which hold for ours."""

from numpy import set_printoptions

__all__ = ["set_printoptions"]
