"""oneDNN, the library that may compute in NumPy's place on a CPU: the only package that knows of it, which it calls through ctypes.

A description (:class:`Convolution`, say) says what is to be computed; :func:`plan` gives a call, or None where the library is not there or
refuses, and then NumPy computes. A call takes NumPy arrays of any strides. Data and results are computed with channels last and weights
in an order of the library's choice: what lies otherwise is reordered by the library, into scratch that the caller may give.

===================  ==================================================================================================
``loading``          finding and loading it
``team``             the threads that its calls use
``layouts``          how arrays lie, in its terms
``primitives``       what it executes
``plans``            a description planned for a number of threads
``calls``            planned calls, as programs and imperative operators make them
``behind``           what the library does behind a product: a bias, a sum, a function
``convolution``      convolutions: their three products
``normalization``    batch norm in training, layer norm, and their gradients
``pooling``          the gradient of the maximum of windows
``product``          products of matrices
``softmax``          softmax of rows, and its gradient
===================  ==================================================================================================

Functions, structures and numbers are those of oneDNN's C interface, version 3 (``dnnl.h``, ``dnnl_types.h``).
"""

from hybridnet.device.onednn.behind import Activation
from hybridnet.device.onednn.calls import Call, plan
from hybridnet.device.onednn.convolution import Convolution
from hybridnet.device.onednn.loading import FILE, NAME, available, library
from hybridnet.device.onednn.normalization import BatchNorm, LayerNorm
from hybridnet.device.onednn.pooling import MaxPoolGrad
from hybridnet.device.onednn.product import GENERAL, Product
from hybridnet.device.onednn.softmax import Softmax

__all__ = [
    "FILE",
    "GENERAL",
    "NAME",
    "Activation",
    "BatchNorm",
    "Call",
    "Convolution",
    "LayerNorm",
    "MaxPoolGrad",
    "Product",
    "Softmax",
    "available",
    "library",
    "plan",
]
