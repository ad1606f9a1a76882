"""The functions of ``np.linalg`` that MXNet hands to the official NumPy: here on any device and compiled."""

from hybridnet.numpy import linalg

__all__ = ["cond", "lstsq", "matrix_power", "matrix_rank", "multi_dot", "qr"]

cond, lstsq, matrix_power = linalg.cond, linalg.lstsq, linalg.matrix_power
matrix_rank, multi_dot, qr = linalg.matrix_rank, linalg.multi_dot, linalg.qr
