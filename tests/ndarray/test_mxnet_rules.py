"""MXNet 1.9.1's own rules, where they are not NumPy's: what it gave for small cases, kept here as numbers."""

import functools
import inspect
from typing import Any

import numpy
import pytest
from support.paths import DATA

import hybridnet as hn
from hybridnet import autograd, nd, np, optimizer
from hybridnet.core import NDArray
from hybridnet.errors import ArgumentError, DtypeError, ShapeError, SignatureError

# -- dtypes ----------------------------------------------------------------------------------------


def test_new_arrays() -> None:
    """Python's numbers are float32; what has a dtype keeps it, in ``np``, and is float32 in ``nd`` but for its own arrays.

    ``np.asarray`` keeps their kind, as the array API standard has it.
    """
    assert [np.asarray(x).dtype.name for x in (1, True, 2.5, [1, 2], [0.5])] == ["int64", "bool", "float32", "int64", "float32"]
    for x in ([1, 2, 3], (1, 2), 3, True, [True, False], [[1, 2], [3, 4]], range(3), [numpy.int32(2)], [numpy.array([1, 2])], 2.5):
        assert np.array(x).dtype == numpy.float32
        assert nd.array(x).dtype is numpy.float32
    for dtype in ("int64", "float64", "bool", "uint8"):
        source = numpy.array([1, 2]).astype(dtype)
        assert np.array(source).dtype == np.array(source[0]).dtype == np.array(np.array(source)).dtype == source.dtype
        assert nd.array(source).dtype is numpy.float32
    assert np.array([1, 2], dtype=int).dtype == numpy.int64
    x = np.array([0, 0, 0])
    x[1] = 0.5
    x += 0.25
    assert x.tolist() == [0.25, 0.75, 0.25]


SCALARS = [numpy.float64(2), numpy.sqrt(2.0), numpy.float32(3), numpy.float16(2), numpy.int64(3), numpy.int8(3), numpy.bool_(True)]


@pytest.mark.parametrize("make", [np.ones, nd.ones], ids=["np", "nd"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_numpys_scalars_do_not_widen(make: Any, dtype: str) -> None:
    x = make((2,), dtype=dtype)
    for scalar in SCALARS:
        for y in (x * scalar, scalar * x, x + scalar, scalar - x, x / scalar, scalar / x, x**scalar, scalar**x, np.maximum(x, scalar)):
            assert y.dtype == numpy.dtype(dtype)
            assert type(y) is type(x)
        y = make((2,), dtype=dtype)
        y *= scalar
        assert y.dtype == numpy.dtype(dtype)
    compiled = hn.jit(lambda x: x * numpy.float64(2) + numpy.float64(1))(x)
    assert compiled.dtype == numpy.dtype(dtype)


def test_dtypes_of_classic_arrays_are_numpys_types() -> None:
    for dtype in (numpy.float16, numpy.float32, numpy.float64, numpy.int8, numpy.int32, numpy.int64, numpy.uint8):
        x = nd.zeros((2,), dtype=dtype)
        assert x.dtype is dtype
        assert {dtype: 1}[x.dtype] == 1
        assert x.dtype.__name__ == numpy.dtype(dtype).name
        assert x.dtype == numpy.dtype(dtype)
        assert nd.zeros((1,), dtype=x.dtype).dtype is dtype
        assert x.as_np_ndarray().dtype == numpy.dtype(dtype)
        assert type(x.as_np_ndarray().dtype) is type(numpy.dtype(dtype))


def test_object_arrays_with_a_dtype() -> None:
    table = numpy.array([[True, 1.5], [False, 2]], dtype=object)
    for array in (np.array(table, dtype="float32"), nd.array(table)):
        assert array.asnumpy().tolist() == [[1, 1.5], [0, 2]]
    with pytest.raises(DtypeError, match="float32"):
        np.array(table)
    with pytest.raises(DtypeError, match="an object of type str"):
        np.array(numpy.array([1, "2"], dtype=object), dtype="float32")


# -- classic operators -----------------------------------------------------------------------------

#: dtype -> operator -> number -> what [3, 1, 7] becomes in place.
IN_PLACE = {
    "uint8": {
        "+": {2.5: [5, 3, 9]},
        "-": {2.5: [1, 255, 5]},
        "*": {2.5: [6, 2, 14]},
        "/": {2.5: [1, 0, 3]},
        "%": {2.5: [1, 1, 1]},
        "**": {2.5: [9, 1, 49]},
    },
    "int32": {
        "+": {2.5: [5, 3, 9], -1.5: [2, 0, 6]},
        "-": {2.5: [1, -1, 5]},
        "*": {2.5: [6, 2, 14], -1.5: [-3, -1, -7]},
        "/": {2.5: [1, 0, 3], -1.5: [-3, -1, -7]},
        "%": {2.5: [1, 1, 1], -1.5: [0, 0, 0], 0: [0, 0, 0]},
        "**": {2.5: [9, 1, 49], -1.5: [0, 1, 0]},
    },
    "float32": {
        "+": {2.5: [5.5, 3.5, 9.5]},
        "-": {-1.5: [4.5, 2.5, 8.5]},
        "*": {-1.5: [-4.5, -1.5, -10.5]},
        "/": {2: [1.5, 0.5, 3.5]},
        "%": {-1.5: [0, -0.5, -0.5], 2.5: [0.5, 1, 2], 0: [0, 0, 0]},
        "**": {2: [9, 1, 49]},
    },
}


@pytest.mark.parametrize(("dtype", "sign"), [(d, s) for d in IN_PLACE for s in IN_PLACE[d]])
def test_operators_in_place_and_not(dtype: str, sign: str) -> None:
    for number, expected in IN_PLACE[dtype][sign].items():
        made = eval(f"x {sign} n", {"x": nd.array([3, 1, 7], dtype=dtype), "n": number})
        assert made.asnumpy().tolist() == expected
        scope: dict[str, Any] = {"x": nd.array([3, 1, 7], dtype=dtype), "n": number}
        before = scope["x"]
        exec(f"x {sign}= n", scope)
        assert scope["x"] is before
        assert before.asnumpy().tolist() == expected
        assert before.dtype is numpy.dtype(dtype).type
        scope = {"x": nd.array([3, 1, 7], dtype=dtype), "n": nd.array([number], dtype=dtype)}
        if not dtype.startswith("float") and number != int(number):
            continue
        exec(f"x {sign}= n", scope)
        assert scope["x"].asnumpy().tolist() == expected


#: Expressions, the dtype and the values that MXNet 1.9.1 gave.
GAVE: list[tuple[str, str, Any]] = [
    ("A([[1, 3]], 'int32').argmax(axis=1)", "int32", [1]),
    ("A([[1, 3]], 'float64').argmax(axis=1)", "float64", [1]),
    ("A([[1, 3]], 'uint8').argmax(axis=1)", "uint8", [1]),
    ("A([[1, 3]], 'float16').argmin(axis=1)", "float16", [0]),
    ("A([[1, 3]], 'int32').argmax()", "int32", [1]),
    ("nd.argmax_channel(A([[1, 3]], 'int32'))", "int32", [1]),
    ("A([[1, 3]], 'int32').argsort()", "float32", [[0, 1]]),
    ("nd.relu(A([1, -1], 'int8'))", "int8", [1, 0]),
    ("nd.sigmoid(A([1, -1], 'int8'))", "int8", [0, 0]),
    ("nd.softsign(A([1, -1], 'int8'))", "int8", [0, 0]),
    ("nd.rsqrt(A([1, 4], 'int8'))", "int8", [1, 0]),
    ("nd.rcbrt(A([1, 8], 'int32'))", "int32", [1, 0]),
    ("nd.erf(A([1, -1], 'int8'))", "int8", [0, 0]),
    ("nd.smooth_l1(A([4, -8], 'int32'))", "int32", [3, 7]),
    ("nd.histogram(A([1, 2]), bins=2, range=(0, 4))[0]", "int64", [1, 1]),
    ("nd.histogram(A([1, 2], 'int32'), bins=2, range=(0, 4))[1]", "int32", [0, 2, 4]),
    ("nd.sign(A([float('nan'), -0.0, -2]))", "float32", [0, 0, -1]),
    ("nd.broadcast_mod(A([1, 0, -1, 5.5]), A([0, 0, 0, 2]))", "float32", [0, 0, 0, 1.5]),
    ("A([1]) % 0", "float32", [0]),
    ("A([2, 3, 1, -1], 'int32') ** -1", "int32", [0, 0, 1, -1]),
    ("nd.gammaln(A([float('-inf'), 1]))", "float32", [float("inf"), 0]),
    ("nd.linalg.extracttrian(A([[1, 2, 3], [4, 5, 6], [7, 8, 9]]), lower=False)", "float32", [1, 2, 5, 3, 6, 9]),
    ("nd.linalg.extracttrian(A([[1, 2, 3], [4, 5, 6], [7, 8, 9]]), offset=-1, lower=False)", "float32", [4, 7, 8]),
    ("nd.linalg.extracttrian(nd.arange(16).reshape((4, 4)), offset=1)", "float32", [1, 2, 6, 3, 7, 11]),
    ("nd.linalg.maketrian(A([1, 2, 3, 4, 5, 6]), lower=False)", "float32", [[1, 2, 4], [0, 3, 5], [0, 0, 6]]),
    ("nd.linalg.maketrian(A([1, 2, 3]), offset=-1)", "float32", [[0, 0, 0], [1, 0, 0], [2, 3, 0]]),
    ("nd.linalg.maketrian(A([1, 2, 3]), offset=1)", "float32", [[0, 1, 2], [0, 0, 3], [0, 0, 0]]),
    ("nd.array(5)", "float32", 5),
    ("nd.clip(A([0, 1, 2], 'int32'), 0.5, 1.5)", "int32", [0, 1, 1]),
    ("nd.sum(np.array([1., 2., 3.]) > 1)", "float32", 2),
    ("nd.mean((np.array([1., 2.]) > 1).as_nd_ndarray())", "float32", [0.5]),
    ("nd.norm(np.ones(4) > 0)", "float32", 2),
    ("nd.sum(A([1, 2], 'int8'))", "int8", [3]),
]


@pytest.mark.parametrize(("expression", "dtype", "values"), GAVE, ids=[g[0] for g in GAVE])
def test_results(expression: str, dtype: str, values: Any) -> None:
    found = eval(expression, {"nd": nd, "np": np, "A": lambda v, d="float32": nd.array(v, dtype=d)})
    assert found.dtype == numpy.dtype(dtype)
    numpy.testing.assert_allclose(found.asnumpy(), values, rtol=1e-6)
    assert found.shape == numpy.shape(values)


#: (mode, keywords, size) -> size.
RESIZED = [
    ("odd_scale", {"scale_height": 2, "scale_width": 2}, (4, 5), (8, 9)),
    ("odd_scale", {"scale_height": 2, "scale_width": 2}, (5, 7), (9, 13)),
    ("odd_scale", {"scale_height": 0.5, "scale_width": 0.5}, (3, 6), (2, 3)),
    ("odd_scale", {"scale_height": 0.5, "scale_width": 0.5}, (5, 7), (3, 4)),
    ("to_even_down", {}, (5, 6), (4, 6)),
    ("to_even_up", {}, (5, 6), (6, 6)),
    ("to_odd_down", {}, (5, 6), (5, 5)),
    ("to_odd_up", {}, (5, 6), (5, 7)),
    ("size", {"height": 3, "width": 5}, (4, 5), (3, 5)),
]


@pytest.mark.parametrize(("mode", "keywords", "size", "expected"), RESIZED)
def test_modes_of_bilinear_resizing(mode: str, keywords: Any, size: Any, expected: Any) -> None:
    x = nd.arange(size[0] * size[1]).reshape((1, 1, *size))
    found = nd.contrib.BilinearResize2D(x, mode=mode, **keywords)
    assert found.shape == (1, 1, *expected)
    numpy.testing.assert_allclose(found.mean().asscalar(), x.mean().asscalar(), rtol=1e-5)


# -- output operators ------------------------------------------------------------------------------

#: (shape of zeros, labels, keywords, gradient)
SOFTMAX_OUTPUTS: list[tuple[Any, Any, dict[str, Any], list[float]]] = [
    ((2, 2), [0, 1], {"normalization": "batch"}, [-0.25, 0.25, 0.25, -0.25]),
    ((2, 2), [0, 1], {"normalization": "valid", "ignore_label": 1}, [-0.5, 0.5, 0.5, -0.5]),
    ((2, 2), [0, 1], {"normalization": "batch", "ignore_label": 1, "use_ignore": True}, [-0.25, 0.25, 0, 0]),
    ((2, 2), [0, 1], {"normalization": "valid"}, [-0.25, 0.25, 0.25, -0.25]),
    ((1, 2), [0], {"smooth_alpha": 0.1}, [-0.4, 0.4]),
    ((1, 2, 2), [[0, 1]], {"preserve_shape": True, "normalization": "batch"}, [-0.25, 0.25, 0.25, -0.25]),
    ((1, 2, 2), [[0, 1]], {"preserve_shape": True, "smooth_alpha": 0.1}, [-0.4, 0.4, 0.4, -0.4]),
    ((1, 2, 2), [[0, 1]], {"multi_output": True, "smooth_alpha": 0.1}, [-0.25, 0.25, 0.25, -0.25]),
    ((2, 2, 2), [[0, 1], [1, 1]], {"preserve_shape": True, "normalization": "batch"}, [-0.125, 0.125, *[0.125, -0.125] * 3]),
    ((1, 2, 3), [[0, 1, 1]], {"multi_output": True, "normalization": "valid", "ignore_label": 1}, [-0.5, 0.5, 0.5, 0.5, -0.5, -0.5]),
    ((1, 2, 3), [[0, 1, 1]], {"multi_output": True, "normalization": "batch"}, [-1 / 6, 1 / 6, 1 / 6, 1 / 6, -1 / 6, -1 / 6]),
    ((1, 2), [[0.3, 0.7]], {}, [0.2, -0.2]),
    ((2, 2), [[0.3, 0.7], [0.5, 0.5]], {"normalization": "batch", "use_ignore": True}, [0.2, -0.2, 0, 0]),
    ((2, 2), [[0.3, 0.7], [0.5, 0.5]], {"grad_scale": 2, "smooth_alpha": 0.1}, [0.4, -0.4, 0, 0]),
]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(("shape", "label", "keywords", "expected"), SOFTMAX_OUTPUTS)
def test_gradients_of_softmax_output(shape: Any, label: Any, keywords: Any, expected: Any, compiled: bool) -> None:
    x, label = nd.zeros(shape), nd.array(label)
    x.attach_grad()
    function = (
        (lambda x, label: nd.SoftmaxOutput(x, label, **keywords))
        if not compiled
        else hn.jit(lambda x, label: nd.SoftmaxOutput(x, label, **keywords))
    )
    with autograd.record():
        y = function(x, label)
    y.backward()
    numpy.testing.assert_allclose(x.grad.asnumpy().ravel(), expected, atol=1e-6)


def test_randomised_relu_gives_its_slopes() -> None:
    x = nd.array([[-1, 0, 1], [2, 3, -4]])
    y, slopes = nd.LeakyReLU(x, act_type="rrelu")
    numpy.testing.assert_allclose(y.asnumpy(), [[-0.2295, 0, 1], [2, 3, -0.918]], rtol=1e-6)
    assert slopes.shape == x.shape
    with autograd.train_mode():
        y, slopes = nd.LeakyReLU(x, act_type="rrelu", lower_bound=0.1, upper_bound=0.2)
    assert (slopes.asnumpy() >= 0.1).all() and (slopes.asnumpy() < 0.2).all()
    numpy.testing.assert_allclose(y.asnumpy(), numpy.where(x.asnumpy() > 0, x.asnumpy(), x.asnumpy() * slopes.asnumpy()), rtol=1e-6)


def test_suppressed_boxes() -> None:
    boxes = nd.array([[[0, 0.9, 0, 0, 2, 2], [0, 0.8, 0, 0, 2, 2.1], [1, 0.7, 5, 5, 6, 7]]])
    keywords = {"overlap_thresh": 0.5, "coord_start": 2, "score_index": 1, "id_index": 0}
    rest = [-1.0] * 6
    for out_format, expected in {"corner": [[0, 0, 2, 2], [5, 5, 6, 7]], "center": [[1, 1, 2, 2], [5.5, 6, 1, 2]]}.items():
        found = nd.contrib.box_nms(boxes, in_format="corner", out_format=out_format, **keywords)
        numpy.testing.assert_allclose(found.asnumpy()[0], [[0, 0.9, *expected[0]], [1, 0.7, *expected[1]], rest], rtol=1e-6)
    found = nd.contrib.box_nms(boxes, in_format="center", out_format="corner", **keywords)
    numpy.testing.assert_allclose(found.asnumpy()[0], [[0, 0.9, -1, -1, 1, 1], [1, 0.7, 2, 1.5, 8, 8.5], rest], rtol=1e-6)
    boxes.attach_grad()
    with autograd.record():
        y = nd.contrib.box_nms(boxes, **keywords)
    y.backward(nd.arange(18).reshape((1, 3, 6)) + 1)
    assert boxes.grad.asnumpy().tolist() == [[[1, 2, 3, 4, 5, 6], [0] * 6, [7, 8, 9, 10, 11, 12]]]


#: interp -> MXNet's (OpenCV's) result for arange(25) in 5×5 to 2×3, and for [[0, 1], [2, 3]] to 3×3.
SIZED = {
    0: ([[0, 1, 3], [10, 11, 13]], [[0, 0, 1], [0, 0, 1], [2, 2, 3]]),
    1: (None, [[0, 0.5, 1], [1, 1.5, 2], [2, 2.5, 3]]),
    2: (
        [[3.5991029739379883, 5.33984375, 7.080583572387695], [16.919416427612305, 18.66015625, 20.40089988708496]],
        [[-0.260416567, 0.326388985, 0.913194656], [0.913194597, 1.5, 2.086805582], [2.08680582, 2.673611402, 3.260416985]],
    ),
    3: ([[4.4, 6, 7.6], [16.4, 18, 19.6]], [[0, 0.5, 1], [1, 1.5, 2], [2, 2.5, 3]]),
    4: (
        [[3.726050853729248, 5.474554538726807, 7.223058223724365], [16.776939392089844, 18.52544593811035, 20.273950576782227]],
        [[-0.262680203, 0.324879885, 0.91243996], [0.91244006, 1.5, 2.08755994], [2.08756018, 2.67512012, 3.26268053]],
    ),
}


@pytest.mark.parametrize("interp", SIZED)
def test_interpolations(interp: int) -> None:
    for source, size, expected in zip(
        (numpy.arange(25.0).reshape(5, 5, 1), numpy.arange(4.0).reshape(2, 2, 1)), ((3, 2), (3, 3)), SIZED[interp], strict=True
    ):
        found = nd.image.resize(nd.array(source), size, interp=interp)
        if expected is not None:
            numpy.testing.assert_allclose(found.asnumpy()[..., 0], expected, rtol=1e-5, atol=1e-5)
        whole = nd.image.resize(nd.array(source, dtype="uint8"), size, interp=interp)
        assert whole.dtype is numpy.uint8
        numpy.testing.assert_allclose(whole.asnumpy(), found.asnumpy().clip(0, 255), atol=1)
    with pytest.raises(ArgumentError, match="interp"):
        nd.image.resize(nd.ones((2, 2, 1)), 3, interp=9)


# -- arguments -------------------------------------------------------------------------------------

ARGUMENTS = [line.split("\t") for line in (DATA / "mxnet_1_9_1_arguments.tsv").read_text().splitlines()]


@pytest.mark.parametrize(("name", "names", "_"), ARGUMENTS, ids=[a[0] for a in ARGUMENTS])
def test_arguments_have_mxnets_names(name: str, names: str, _: str) -> None:
    """``mxnet_1_9_1_arguments.tsv``: a function, its arguments, its list of arrays."""
    space, _, own = name.rpartition(".")
    function = functools.reduce(getattr, space.split("."), hn)
    function = getattr(function, own, None)
    if function is None or own == "from_numpy":
        return  # not there; of MXNet's there is a form that is not for users
    mine = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in mine.values()):
        return
    also = getattr(function, "also", {})
    assert [n for n in names.split(",") if n and n not in mine and n not in also] == []


def test_arguments_by_mxnets_names() -> None:
    x, w = nd.array([[1, 2]]), nd.array([[1, 1], [2, 2]])
    assert nd.FullyConnected(data=x, weight=w, no_bias=True, num_hidden=2).asnumpy().tolist() == [[3, 6]]
    assert nd.batch_dot(lhs=nd.ones((1, 1, 2)), rhs=nd.ones((1, 2, 1))).asnumpy().tolist() == [[[2]]]
    assert nd.power(base=nd.array([2]), exp=nd.array([3])).asnumpy().tolist() == [8]
    y = np.array([[0.5, 0.25]])
    for name in ("erf", "erfinv", "gamma", "gammaln", "batch_flatten"):
        function = getattr(hn.npx, name)
        assert function(data=y).tolist() == function(y).tolist()
    with autograd.record():
        hn.npx.batch_norm(data=y, gamma=np.ones(2), beta=np.ones(2), moving_mean=np.zeros(2), moving_var=np.ones(2), cudnn_off=True)
    images, kernel = np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3))
    assert (
        hn.npx.convolution(data=images, weight=kernel, kernel=(3, 3), num_filter=1, no_bias=True, workspace=9, cudnn_off=True).item() == 9
    )
    lengths = nd.array([1])
    assert nd.softmin(x, use_length=True, length=lengths).asnumpy().tolist() == [[1, 0]]
    warm = nd.softmax(nd.array([[1, 2, 9]]), nd.array([2]), use_length=True, temperature=2.0, dtype="float64")
    assert warm.dtype is numpy.float64
    numpy.testing.assert_allclose(warm.asnumpy()[0, :2], numpy.exp([0.5, 1]) / numpy.exp([0.5, 1]).sum(), rtol=1e-6)
    assert nd.norm(nd.array([3, 4], dtype="float16"), out_dtype="float32").dtype is numpy.float32


def test_arguments_that_no_operator_has() -> None:
    x, w = nd.ones((1, 2)), nd.ones((3, 2))
    with pytest.raises(
        SignatureError,
        match=r"\[FullyConnected\].*num_hidden=None.*got an unexpected keyword argument 'num_hiden'; at test_\w+.py.*try num_hidden=",
    ):
        nd.FullyConnected(x, w, num_hiden=3)
    with pytest.raises(TypeError, match=r"\[sum\].*try axis="):
        nd.sum(x, axes=1)
    with pytest.raises(SignatureError, match=r"\[SGD\].*'learning_rat'.*try learning_rate="):
        optimizer.create("sgd", learning_rat=0.1)
    with pytest.raises(SignatureError, match=r"\[softmax\].*try axis="):
        hn.npx.softmax(np.ones(2), axes=0)
    with pytest.raises(SignatureError, match=r"\[exp\]"):
        np.exp(np.ones(2), wher=1)
    with pytest.raises(TypeError, match="of the user"):

        def failing(x: Any) -> Any:
            raise TypeError("of the user")

        np.apply_along_axis(failing, 0, np.ones((2, 2)))


# -- elements --------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [nd.zeros, np.zeros], ids=["nd", "np"])
@pytest.mark.parametrize("compiled", [False, True])
def test_assigning_one_element(make: Any, compiled: bool) -> None:
    def change(t: Any, table: Any) -> Any:
        t[2] += 1
        t[1] = make((1, 1)) + 3
        table[1, 2] = table[0, 0] + 5
        table[0] = make((1, 3)) + 2
        table[1:, :1] = make((1, 1, 1)) + 7
        return t

    t, table = make((6,)), make((2, 3))
    (hn.jit(change) if compiled else change)(t, table)
    assert t.asnumpy().tolist() == [0, 3, 1, 0, 0, 0]
    assert table.asnumpy().tolist() == [[2, 2, 2], [7, 0, 5]]
    for value in (make((2,)), make((2, 1)), make((1, 2))):
        with pytest.raises(ShapeError, match="broadcasts to"):
            t[2] = value


def test_no_dimensions() -> None:
    with pytest.raises(ShapeError, match="nonzero"):
        np.nonzero(np.array(3.0))
    with pytest.raises(IndexError, match=r"\[unique\]"):
        np.unique(np.array(3.0), axis=0)
    assert isinstance(np.array(3.0), NDArray)
