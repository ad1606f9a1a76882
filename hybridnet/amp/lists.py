"""Which of MXNet's operators compute in which type, by the names that symbols have: what :mod:`hybridnet.amp.symbols` goes by.

What is in neither list computes in the type that it is given, of several in the widest.
"""

from __future__ import annotations

from hybridnet.ndarray.register import OPERATORS

#: An operator, the name of an attribute, and those of its values with which it computes in float32.
Conditions = list[tuple[str, str, list[str]]]

HALF = frozenset(["Convolution", "Deconvolution", "FullyConnected", "RNN"])
_FAMILIES = (
    # what leaves the range of 16 bits, or loses its digits there
    "exp expm1 log log10 log1p log2 square reciprocal rsqrt rcbrt gamma gammaln erfinv smooth_l1",
    "tan arcsin arccos arctanh sinh cosh broadcast_power broadcast_hypot _power _hypot",
    "_power_scalar _rpower_scalar _hypot_scalar _rdiv_scalar",
    # sums
    "sum mean prod nansum nanprod norm moments _square_sum softmax log_softmax softmin SoftmaxActivation",
    "LayerNorm GroupNorm InstanceNorm L2Normalization LRN _contrib_SyncBatchNorm khatri_rao topk argsort",
    "_linalg_det _linalg_extractdiag _linalg_extracttrian _linalg_gelqf _linalg_gemm _linalg_gemm2 _linalg_inverse _linalg_makediag",
    "_linalg_maketrian _linalg_potrf _linalg_potri _linalg_slogdet _linalg_sumlogdiag _linalg_syevd _linalg_syrk _linalg_trmm _linalg_trsm",
    # losses
    "SoftmaxOutput LinearRegressionOutput LogisticRegressionOutput MAERegressionOutput SVMOutput MakeLoss make_loss",
    "CTCLoss softmax_cross_entropy IdentityAttachKLSparseReg",
    # what is written by hand for one type
    "_contrib_count_sketch _contrib_fft _contrib_hawkesll _contrib_DeformableConvolution _contrib_DeformablePSROIPooling",
    "_contrib_MultiBoxPrior _contrib_MultiBoxTarget _contrib_MultiBoxDetection Custom",
)
FLOAT32 = frozenset(name for names in _FAMILIES for name in names.split())
CONDITIONS: Conditions = [("Activation", "act_type", ["softrelu"]), ("LeakyReLU", "act_type", ["elu", "selu"])]


def canonical(name: str) -> str | None:
    """The name under which a symbol's operator stands in the lists; ``None`` if there is no operator of that name."""
    return OPERATORS[name].name if name in OPERATORS else None
