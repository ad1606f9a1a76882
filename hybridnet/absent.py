"""Names of MXNet's public surface that are not here yet: what to say of each, and what to use instead.

A package that lacks some gives itself ``__getattr__ = absent.teller(__name__)``. The table is read when a name is
looked up that is not there, never before; one that has come since is simply found.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable
from opcode import opmap
from typing import Any, NoReturn

from hybridnet.errors import HybridnetError, message


class AbsentError(HybridnetError, AttributeError):
    """A name that a module does not have: one of MXNet's that is not there yet, or a misspelt one."""


class AbsentImportError(HybridnetError, ImportError):
    """The same in ``from hybridnet import name``."""


_LOOP = "arrays of NumPy in a loop of your own, or net.fit(x, y)"
_GRAPH = "net.hybridize() or hybridnet.jit, and net.graph(x) to see the graph"
_TRAINER = "gluon.Trainer, or optimizer.create and its update"

#: module -> (names, what to use instead; "" where there is nothing yet).
_ABSENT: dict[str, list[tuple[str, str]]] = {
    "hybridnet": [
        ("sym symbol AttrScope attribute executor executor_manager model", _GRAPH),
        ("mod module rnn", "gluon.Trainer in a loop, or net.fit(x, y); gluon.rnn for cells and layers"),
        ("callback mon monitor", "net.fit, which shows its progress, or register_forward_hook"),
        ("operator", "autograd.Function for an operator with a gradient of its own"),
        ("profiler", "net.profile(x), net.explain(x) and net.memory(x)"),
        ("visualization viz", "net.summary(x) and print(net.graph(x))"),
        ("base error", "hybridnet.MXNetError and hybridnet.errors"),
        ("is_np_array is_np_shape np_array np_shape set_np_shape use_np use_np_array use_np_shape", "hybridnet.util or npx"),
        ("rnd", "hybridnet.random"),
        ("contrib", "nd.contrib, hybridnet.amp"),
        ("onnx engine library libinfo log notebook rtc runtime th torch tvmop misc", ""),
    ],
    "hybridnet.io": [
        ("utils", "hybridnet.io"),
    ],
    "hybridnet.kvstore": [("kvstore_server KVStoreServer", "training on one machine")],
    "hybridnet.gluon.contrib.estimator": [("utils", "hybridnet.gluon.contrib.estimator")],
    "hybridnet.test_utils": [
        ("check_symbolic_forward check_symbolic_backward simple_forward", "assert_almost_equal of what a function or a block gives"),
        ("numeric_grad", "check_numeric_gradient of a function or a block"),
        ("check_consistency", "check_gluon_hybridize_consistency, or a block on each of the devices"),
        ("check_speed", "net.profile(x)"),
        ("same_symbol_structure", "print(net.graph(x)) of both"),
        ("rand_sparse_ndarray create_sparse_array create_sparse_array_zd shuffle_csr_column_indices", "rand_ndarray: arrays are dense"),
        ("download_model", "gluon.utils.download"),
        ("mx", "import hybridnet as mx"),
    ],
    "hybridnet.gluon": [
        ("SymbolBlock", "the Gluon block that the file came from, and load_parameters"),
    ],
    "hybridnet.gluon.contrib.data": [("text", "a Dataset of your own")],
    "hybridnet.gluon.nn": [
        ("SymbolBlock", "the Gluon block that the file came from, and load_parameters"),
        ("basic_layers conv_layers", "gluon.nn"),
    ],
    "hybridnet.gluon.rnn": [("rnn_cell rnn_layer", "gluon.rnn")],
    "hybridnet.ndarray": [
        ("Custom", "autograd.Function"),
        ("sparse cast_storage reset_arrays", "dense arrays"),
        ("CachedOp", "hybridnet.jit"),
        ("imdecode onehot_encode", "hybridnet.image.imdecode; nd.one_hot"),
        ("IdentityAttachKLSparseReg SVMOutput", ""),
        ("numpy numpy_extension np npx", "hybridnet.np and hybridnet.npx"),
        ("*_update *_update_phase1 *_update_phase2 multi_lars multi_sum_sq", _TRAINER),
        ("random_pdf_*", "the density, written with nd's functions"),
    ],
    "hybridnet.ndarray.contrib": [
        ("*_update", _TRAINER),
        ("quantize_asym quantized_rnn", "LSTM in floating numbers"),
        ("quantized_batch_norm quantized_elemwise_add quantized_elemwise_mul", "dequantize, and the operator of floating numbers"),
        ("calibrate_entropy", "a range of your own for quantize_v2"),
        ("backward_hawkesll backward_index_copy backward_quadratic", "autograd: they are parts of gradients"),
    ],
    "hybridnet.numpy": [
        ("apply_over_axes correlate frexp histogram2d histogram_bin_edges histogramdd i0 in1d ix_ min_scalar_type mirr msort", "NumPy"),
        ("nanmedian", "NumPy"),
        ("nanpercentile nanquantile npv packbits piecewise poly polyadd polydiv polyfit polyint polymul polysub ppmt", "NumPy"),
        ("promote_types pv rate real imag roots spacing tril_indices_from trim_zeros triu_indices_from", "NumPy"),
        ("unpackbits unwrap fft loadtxt save load savez", "NumPy"),
    ],
    "hybridnet.numpy_extension": [
        ("multibox_detection multibox_target roi_pooling rnn", ""),
        ("multibox_prior", "nd.contrib.MultiBoxPrior"),
        ("shape_array", "nd.shape_array, or x.shape"),
        ("get_cuda_compute_capability Context", "hybridnet.Context"),
    ],
}  # fmt: skip


def teller(module: str) -> Callable[[str], Any]:
    """The ``__getattr__`` of ``module``: raises, with what is known of the name."""

    def tell(name: str) -> NoReturn:
        if name.startswith("__"):  # Python's own questions
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        frame = sys._getframe(1)
        importing = frame.f_code.co_code[frame.f_lasti] == opmap["IMPORT_FROM"]
        raise (AbsentImportError if importing else AbsentError)(_text(module, name))

    return tell


def _text(module: str, name: str) -> str:
    known = _known(module, name)
    if known is not None:
        return message(f"{module}.{name}", expected="a name that is there", got="one of MXNet's that is not there yet", fix=known)
    near = difflib.get_close_matches(name, [n for n in vars(sys.modules[module]) if not n.startswith("_")], 3)
    return message(f"{module}.{name}", expected=f"a name of {module}", got=repr(name), fix=" or ".join(near))


def _known(module: str, name: str) -> str | None:
    """What to use instead of a name of MXNet's; ``None`` for one that it has not either."""
    for names, instead in _ABSENT.get(module, ()):
        for pattern in names.split():
            start, star, end = pattern.partition("*")
            if name == pattern or (star and name.startswith(start) and name.endswith(end)):
                return instead
    return None
