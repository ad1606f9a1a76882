"""Operators that have neither a rule nor parts, and why: said when a network that uses one is exported."""

from __future__ import annotations

_TRAINING = "it belongs to training", "exporting what predicts"
_DRAWS = "ONNX's random numbers are others than ours", "autograd.predict_mode(), or drawing outside of the network"
_LINEAR_ALGEBRA = "ONNX has no such decomposition", "computing it outside of the network"
_DETECTION = "the number of its results follows the values", "exporting up to it and calling it on the outputs"
_COMPLEX = "ONNX's operators take no complex numbers", "computing them outside of the network"
_RANKS = "a file is run by one process", "exporting what one rank computes"
_NO_OPERATOR = "ONNX has no such operator", "computing it outside of the network"

_OF: dict[tuple[str, str], str] = {
    _TRAINING: "add_along_axis aligned_shares convolution_weight_grad dropout_mask index_add linear_recurrence "
    "max_pool_gather max_pool_grad multi_box_target pooled_shares product quotient row_products row_sums "
    "rnn_sequence_grad slice_grad spread_rows sum_pool_grad",
    _DRAWS: "random_binomial random_categorical random_exponential random_gamma random_multinomial random_normal random_permutation "
    "random_poisson random_randint random_uniform",
    _LINEAR_ALGEBRA: "cholesky cofactors eig eigh fft inv pinv qr rfft slogdet solve svd",
    _COMPLEX: "complex conjugate imag irfft real",
    _RANKS: "all_gather all_reduce all_to_all broadcast own_rows reduce reduce_scatter",
    _DETECTION: "bipartite_matching box_nms multi_box_detection proposal region_largest region_spread region_sums rroi_align",
    _NO_OPERATOR: "calibrate_entropy cast_storage col2im copysign cumprod digamma erfinv exponent gamma gammaln gcd "
    "histogram im2col lcm left_shift nextafter polygamma right_shift searchsorted sparse_retain",
}
REFUSED: dict[str, tuple[str, str]] = {name: reason for reason, names in _OF.items() for name in names.split()}
