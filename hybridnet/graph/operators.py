"""The operators that graphs, passes and code generation know: records, which they compare nodes with (``node.op is ADD``).

Each is looked up once, here: a name that no operator has is an error when hybridnet is imported, and so is a constant that is not here.
Nothing else in these layers looks an operator up by its name or compares names, which a test holds everyone to.
"""

from __future__ import annotations

from hybridnet.core import find
from hybridnet.ops.array import creation, indexing, selection, shape  # noqa: F401  (they register what is looked up)
from hybridnet.ops.collective import collective  # noqa: F401  (they register what is looked up)
from hybridnet.ops.linalg import matmul  # noqa: F401  (they register what is looked up)
from hybridnet.ops.math import pointwise, reduction  # noqa: F401  (they register what is looked up)
from hybridnet.ops.nn import convolution, convolution_joined  # noqa: F401  (they register what is looked up)

ADD = find("add")
ALL = find("all")
ALL_REDUCE = find("all_reduce")
ANY = find("any")
BROADCAST_TO = find("broadcast_to")
CAST = find("cast")
CLIP = find("clip")
CONCATENATE = find("concatenate")
CONVOLUTION = find("convolution")
CONVOLUTION_JOINED = find("convolution_joined")
COPY = find("copy")
FULL = find("full")
GREATER = find("greater")
INDEX_SET = find("index_set")
MATMUL = find("matmul")
MATMUL_BIAS = find("matmul_bias")
MATMUL_SUMS = find("matmul_sums")
MAX = find("max")
MAXIMUM = find("maximum")
MIN = find("min")
MULTIPLY = find("multiply")
NEGATIVE = find("negative")
NOT_EQUAL = find("not_equal")
POWER = find("power")
PROD = find("prod")
RESHAPE = find("reshape")
SLICE = find("slice")
SLICE_GRAD = find("slice_grad")
SQRT = find("sqrt")
SQUARE = find("square")
SUBTRACT = find("subtract")
SUM = find("sum")
TRANSPOSE = find("transpose")
TRUE_DIVIDE = find("true_divide")
WHERE = find("where")
