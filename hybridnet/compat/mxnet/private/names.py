"""Names that MXNet's modules have, and hybridnet's have not: where they are.

A module's name, and for each name what it is of another module: ``module``, ``module:name``, or ``module:`` for the same name there.
Most are what a module of MXNet's imports, and so shows; the rest is what it keeps to itself, and programs use.
"""

from __future__ import annotations

_CODES, _TRAINING, _BLOCKS = (f"hybridnet.compat.mxnet.private.{name}:" for name in ("codes", "training", "blocks"))
_STORAGE = """
    _STORAGE_TYPE_UNDEFINED _STORAGE_TYPE_DEFAULT _STORAGE_TYPE_ROW_SPARSE _STORAGE_TYPE_CSR _STORAGE_TYPE_ID_TO_STR _STORAGE_TYPE_STR_TO_ID
    _STORAGE_AUX_TYPES
"""
_NUMBERS = f"_DTYPE_NP_TO_MX _DTYPE_MX_TO_NP _GRAD_REQ_MAP {_STORAGE}"
_TYPES = "numeric_types string_types integer_types mx_real_t mx_uint mx_int py_str"
_UTIL = "is_np_array is_np_shape np_array np_shape"
_STORES = """
    _create_kvstore _create_sparse_kvstore _initialize_kvstore _update_params _update_params_on_kvstore _multiple_callbacks
"""
_DESCRIBED = "_check_input_names _check_names_match _parse_data_desc"
_UPDATES = """
    adam_update ftml_update ftrl_update lamb_update_phase1 lamb_update_phase2 mp_lamb_update_phase1 mp_lamb_update_phase2
    mp_nag_mom_update mp_sgd_mom_update mp_sgd_update multi_lars multi_mp_sgd_mom_update multi_mp_sgd_update multi_sgd_mom_update
    multi_sgd_update multi_sum_sq nag_mom_update preloaded_multi_mp_sgd_mom_update preloaded_multi_mp_sgd_update
    preloaded_multi_sgd_mom_update preloaded_multi_sgd_update rmsprop_update rmspropalex_update sgd_mom_update sgd_update
    signsgd_update signum_update NDArray zeros clip sqrt cast maximum array multiply square sparse
"""
_MODULES = "autograd context initializer ndarray symbol"
_CELLS = """
    _cells_state_info _cells_begin_state _get_begin_state _format_sequence _mask_sequence_variable_length _reverse_sequences
"""

_OPTIMIZER = {
    "hybridnet.ndarray:": _UPDATES, "hybridnet.ndarray:abs": "NDabs", "hybridnet.ndarray:norm": "NDnorm", "hybridnet.util:": _UTIL,
}  # fmt: skip
_STANDARD = ["bz2", "errno", "gzip", "json", "logging", "numbers", "os", "platform", "struct", "sys", "time", "traceback", "zipfile"]

#: module -> what of another module -> the names.
_TABLE: dict[str, dict[str, str]] = {
    "ndarray": {
        _CODES: _NUMBERS, "hybridnet.base:": _TYPES, "hybridnet.util:": _UTIL, "hybridnet.context:": "Context current_context",
        "hybridnet.base:_Null": "_Null", "builtins:slice": "py_slice", "hybridnet.core:NDArray": "NDArrayBase _ndarray_cls",
    },
    "ndarray._internal": {"hybridnet.base:": "_Null", "hybridnet.core:NDArray": "NDArrayBase"},
    "ndarray.sparse": {
        _CODES: _NUMBERS, "hybridnet.base:": _TYPES, "hybridnet.context:": "Context current_context",
        "hybridnet.ndarray:": "NDArray _internal op",
        "builtins:slice": "py_slice", "builtins:sum": "py_sum",
    },
    "ndarray.random": {"hybridnet.base:": f"_Null {_TYPES}", "hybridnet.ndarray:": "_internal", "hybridnet.context:": "current_context"},
    "ndarray.contrib": {
        "hybridnet.gluon.nesting:": "_flatten _regroup", "hybridnet.base:": "_as_list", "hybridnet.context:": "current_context",
        "hybridnet.ndarray:": "uniform", "hybridnet.ndarray": "ndarray",
    },
    "symbol.contrib": {
        "hybridnet.gluon.nesting:": "_flatten _regroup", "hybridnet.base:": "_as_list", "hybridnet.attribute:": "AttrScope",
        "hybridnet.symbol": "symbol",
    },
    "symbol": {"hybridnet.base:": "_Null", "hybridnet.attribute:": "AttrScope", "hybridnet.name:": "NameManager"},
    "symbol._internal": {"hybridnet.base:": "_Null", "hybridnet.attribute:": "AttrScope", "hybridnet.name:": "NameManager"},
    "symbol.symbol": {
        _CODES: _NUMBERS, "hybridnet.base:": f"{_TYPES} MXNetError", "hybridnet.util:": _UTIL, "hybridnet.attribute:": "AttrScope",
        "hybridnet.context:": "Context current_context", "hybridnet.ndarray:": "NDArray", "hybridnet.executor:": "Executor",
        "hybridnet.symbol:": """
            var Variable pow power maximum minimum hypot eye zeros ones full arange linspace histogram split_v2 _internal op
        """,
    },
    "symbol.random": {"hybridnet.base:": f"_Null {_TYPES}", "hybridnet.symbol:": "_internal"},
    "numpy": {"hybridnet.numpy:_internal": "_npi", "hybridnet.numpy:_op": "_mx_np_op", "hybridnet.numpy": "_mx_nd_np"},
    "numpy.multiarray": {
        "hybridnet.numpy:_internal": "_npi", "hybridnet.numpy:_op": "_mx_np_op", "hybridnet.numpy": "_mx_nd_np",
        _CODES: "_DTYPE_NP_TO_MX _GRAD_REQ_MAP",
        "hybridnet.base:": _TYPES, "hybridnet.context:": "Context current_context", "hybridnet.ndarray:": "NDArray",
        "hybridnet.numpy:": "fallback min_scalar_type promote_types result_type",
        "hybridnet.util:": "set_module wrap_np_binary_func wrap_np_unary_func",
        "hybridnet.autograd:": "is_recording",
    },
    "numpy.fallback": {"hybridnet.numpy:": "min_scalar_type nanstd nansum nanvar promote_types real result_type", "numpy": "onp"},
    "gluon": {_BLOCKS: "tensor_types"},
    "gluon.block": {
        _BLOCKS: "_BlockScope _common_prefix _gather_type_ctx_info _indent _brief_print_list shape_is_known",
        "hybridnet.gluon.parameter:": "Parameter ParameterDict DeferredInitializationError", "hybridnet.base:": "MXNetError mx_real_t",
        "hybridnet.ndarray:": "NDArray", "hybridnet.symbol:": "Symbol", "hybridnet.util:": _UTIL, "hybridnet.initializer": "initializer",
        "hybridnet.ndarray": "ndarray", "hybridnet.symbol": "symbol", "hybridnet.name": "_name", "collections:": "OrderedDict",
        "hybridnet.numpy": "_mx_np", "hybridnet.numpy_extension": "_mx_npx",
    },
    "gluon.parameter": {
        _BLOCKS: "tensor_types _indent _brief_print_list shape_is_known", "hybridnet.base:": "MXNetError mx_real_t",
        "hybridnet.util:": _UTIL,
        "hybridnet.context:": "Context cpu", "collections:": "OrderedDict", "hybridnet.autograd": "autograd",
        "hybridnet.context": "context",
        "hybridnet.initializer": "initializer", "hybridnet.ndarray": "ndarray", "hybridnet.symbol": "symbol",
    },
    "gluon.trainer": {_TRAINING: "_create_kvstore _create_sparse_kvstore", "hybridnet.optimizer": "opt"},
    "gluon.utils": {_BLOCKS: "_indent _brief_print_list shape_is_known", "hybridnet.util:": _UTIL, "hybridnet.ndarray": "ndarray"},
    "gluon.loss": {"hybridnet.base:": "numeric_types", "hybridnet.util:": _UTIL, "hybridnet.ndarray": "ndarray"},
    "gluon.nn.conv_layers": {
        "hybridnet.gluon.nn.convolution:": "_Conv", "hybridnet.gluon.nn.pooling:_Pool": "_Pooling", "hybridnet.base:": "numeric_types",
    },
    "gluon.nn.basic_layers": {"hybridnet.gluon.nn:BatchNorm": "_BatchNorm", "hybridnet.util:": _UTIL},
    "gluon.rnn.rnn_cell": {_BLOCKS: f"tensor_types {_CELLS} _indent", "hybridnet.base:": f"{_TYPES} _as_list"},
    "gluon.rnn.rnn_layer": {
        _BLOCKS: f"tensor_types _indent {_CELLS}", "hybridnet.gluon.rnn.layers:": "_RNNLayer", "hybridnet.base:": _TYPES,
    },
    "gluon.data.dataset": {_BLOCKS: "_DownloadedDataset", "hybridnet.gluon.data.dataset:TransformedDataset": "_LazyTransformDataset"},
    "gluon.data.vision.datasets": {_BLOCKS: "_DownloadedDataset"},
    "model": {
        _TRAINING: _STORES, "hybridnet.base:": "mx_real_t", "hybridnet.context:": "Context", "hybridnet.io:": "DataDesc",
        "hybridnet.optimizer:": "get_updater",
    },
    "module.base_module": {_TRAINING: _DESCRIBED, "hybridnet.context:": "cpu", "hybridnet.io:": "DataDesc DataIter"},
    "module.module": {_TRAINING: f"{_DESCRIBED} {_STORES}", "hybridnet.ndarray:": "zeros"},
    "executor": {
        "hybridnet.ndarray:": "NDArray", "hybridnet.base:": _TYPES, "hybridnet.module.executor_group:": "_split_input_slice",
    },
    "optimizer": _OPTIMIZER, "optimizer.optimizer": _OPTIMIZER,
    "operator": {_CODES: _NUMBERS, "hybridnet.ndarray:": "NDArray", "hybridnet.util:": _UTIL, "hybridnet.base:": _TYPES},
    "base": {
        _CODES: "_OP_NAME_PREFIX_LIST _NP_OP_PREFIX _NP_EXT_OP_PREFIX _NP_INTERNAL_OP_PREFIX _get_op_name_prefix _is_np_op",
    },
    "image": {"hybridnet.base:": "numeric_types"},
    "image.image": {"hybridnet.base:": "numeric_types", _BLOCKS: "_get_interp_method"},
    "image.detection": {
        "hybridnet.base:": "numeric_types",
        "hybridnet.image:": """
            Augmenter CastAug ColorJitterAug ColorNormalizeAug ForceResizeAug HueJitterAug ImageIter LightingAug RandomGrayAug
            RandomOrderAug ResizeAug copyMakeBorder fixed_crop
        """,
    },
    "initializer": {"hybridnet.base:": "string_types", "hybridnet.util:": _UTIL},
    "rnn": {
        "hybridnet.io:": "DataBatch DataDesc DataIter", "hybridnet.model:": "load_checkpoint save_checkpoint", "hybridnet.base:": _TYPES,
    },
    "monitor": {"hybridnet.ndarray:": "NDArray"},
    "test_utils": {
        _CODES: "_STORAGE_TYPE_STR_TO_ID", "hybridnet": "mx", "numpy": "np", "numpy.random": "rnd", "numpy.testing": "npt",
        "scipy.stats": "ss",
        "hybridnet.context:": "Context current_context", "hybridnet.runtime:": "Features", "collections:": "OrderedDict",
        "hybridnet.symbol:": "Symbol", "hybridnet.ndarray:": "array", "hybridnet.symbol.symbol:_Symbol": "np_symbol",
        "hybridnet.util:": "use_np getenv setenv get_cuda_compute_capability", "contextlib:": "contextmanager",
        **dict(zip(_STANDARD, _STANDARD, strict=True)),
    },
}  # fmt: skip


#: Modules that MXNet gives no ``__all__``, so that ``import *`` takes what they import as well.
OPEN = ("hybridnet.test_utils",)


def borrowed() -> dict[str, dict[str, str]]:
    """Of each module, by its whole name: what each name is, as :class:`hybridnet.absent.Later` takes it."""
    return {f"hybridnet.{module}": _sources(given) for module, given in _TABLE.items()}


def _sources(given: dict[str, str]) -> dict[str, str]:
    return {name: f"{source}{name}" if source.endswith(":") else source for source, names in given.items() for name in names.split()}
