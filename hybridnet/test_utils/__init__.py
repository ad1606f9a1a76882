"""``mx.test_utils``: what tests of networks and operators need: comparisons, random arrays, checks of gradients, data sets.

An assertion that fails raises an ``AssertionError``. What needs sparse storage is not there yet.
"""

from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.test_utils.checking import check_gluon_hybridize_consistency, check_numeric_gradient, compare_optimizer, same_array
from hybridnet.test_utils.comparing import (
    almost_equal,
    assert_allclose,
    assert_almost_equal,
    assert_almost_equal_ignore_nan,
    assert_almost_equal_with_err,
    checkShapes,
    compare_ndarray_tuple,
    default_atols,
    default_numeric_eps,
    default_rtols,
    effective_dtype,
    get_atol,
    get_etol,
    get_rtol,
    get_tolerance,
    get_tols,
    locationError,
    same,
)
from hybridnet.test_utils.data import (
    DummyIter,
    download,
    get_bz2_data,
    get_cifar10,
    get_im2rec_path,
    get_mnist,
    get_mnist_iterator,
    get_mnist_pkl,
    get_mnist_ubyte,
    get_zip_data,
)
from hybridnet.test_utils.drawing import (
    assign_each,
    assign_each2,
    collapse_sum_like,
    create_2d_tensor,
    create_vector,
    get_identity_mat,
    get_identity_mat_batch,
    new_matrix_with_real_eigvals_2d,
    new_matrix_with_real_eigvals_nd,
    new_orthonormal_matrix_2d,
    new_sym_matrix_with_real_eigvals_2d,
    new_sym_matrix_with_real_eigvals_nd,
    np_reduce,
    rand_coord_2d,
    rand_ndarray,
    rand_shape_2d,
    rand_shape_3d,
    rand_shape_nd,
    random_arrays,
    random_sample,
    random_uniform_arrays,
)
from hybridnet.test_utils.statistics import chi_square_check, gen_buckets_probs_with_ppf, mean_check, var_check, verify_generator
from hybridnet.test_utils.surroundings import (
    assert_exception,
    default_context,
    default_dtype,
    discard_stderr,
    environment,
    has_tvm_ops,
    is_aarch64_run,
    is_cd_run,
    is_op_runnable,
    list_gpus,
    retry,
    set_default_context,
)
from hybridnet.test_utils.symbolic import (
    check_consistency,
    check_speed,
    check_symbolic_backward,
    check_symbolic_forward,
    numeric_grad,
    same_symbol_structure,
    simple_forward,
)

__all__ = [
    "DummyIter", "almost_equal", "assert_allclose", "assert_almost_equal", "assert_almost_equal_ignore_nan",
    "assert_almost_equal_with_err", "assert_exception", "assign_each", "assign_each2", "checkShapes",
    "check_consistency", "check_gluon_hybridize_consistency", "check_numeric_gradient", "check_speed",
    "check_symbolic_backward", "check_symbolic_forward", "chi_square_check", "collapse_sum_like", "compare_ndarray_tuple",
    "compare_optimizer", "create_2d_tensor", "create_vector", "default_atols", "default_context", "default_dtype",
    "default_numeric_eps", "default_rtols", "discard_stderr", "download", "effective_dtype", "environment",
    "gen_buckets_probs_with_ppf", "get_atol", "get_bz2_data", "get_cifar10", "get_etol", "get_identity_mat", "get_identity_mat_batch",
    "get_im2rec_path", "get_mnist", "get_mnist_iterator", "get_mnist_pkl", "get_mnist_ubyte", "get_rtol", "get_tolerance", "get_tols",
    "get_zip_data", "has_tvm_ops", "is_aarch64_run", "is_cd_run", "is_op_runnable", "list_gpus", "locationError", "mean_check",
    "new_matrix_with_real_eigvals_2d", "new_matrix_with_real_eigvals_nd", "new_orthonormal_matrix_2d",
    "new_sym_matrix_with_real_eigvals_2d", "new_sym_matrix_with_real_eigvals_nd", "np_reduce", "numeric_grad", "rand_coord_2d", "rand_ndarray",
    "rand_shape_2d", "rand_shape_3d", "rand_shape_nd", "random_arrays", "random_sample", "random_uniform_arrays", "retry", "same",
    "same_symbol_structure", "simple_forward",
    "same_array", "set_default_context", "var_check", "verify_generator",
]  # fmt: skip

if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
