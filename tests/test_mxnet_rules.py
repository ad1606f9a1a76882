"""MXNet 1.9.1's own rules, where they are not NumPy's: what it gave for small cases, kept here as numbers."""

import functools
import inspect
import itertools
import json
from pathlib import Path
from typing import Any

import numpy
import pytest

import hybridnet as hn
from hybridnet import autograd, cpu, gluon, nd, np, optimizer
from hybridnet.core import NDArray
from hybridnet.errors import ArgumentError, DtypeError, ShapeError, SignatureError
from hybridnet.gluon import nn, rnn

# -- dtypes ----------------------------------------------------------------------------------------


def test_new_arrays() -> None:
    """Python's numbers are float32; what has a dtype keeps it, in ``np``, and is float32 in ``nd`` but for its own arrays."""
    for x in ([1, 2, 3], (1, 2), 3, True, [True, False], [[1, 2], [3, 4]], range(3), [numpy.int32(2)], [numpy.array([1, 2])], 2.5):
        assert np.array(x).dtype == np.asarray(x).dtype == numpy.float32
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


# -- optimizers ------------------------------------------------------------------------------------

STEPS = json.loads("""
{
"nag": [{"learning_rate": 0.1, "momentum": 0.9, "wd": 0.1}, [[0.924, -1.867, 2.734], [0.462, 1.829]],
  [[0.5018355846405029, -1.318033218383789, 1.4289889335632324], [0.2164050042629242, 0.9654123783111572]]],
"nag, clipped": [{"learning_rate": 0.1, "momentum": 0.9, "wd": 0.1, "clip_gradient": 0.2}, [[0.943, -1.924, 2.905], [0.462, 1.924]],
  [[0.6491045951843262, -1.5321394205093384, 2.4151742458343506], [0.23053289949893951, 1.5321394205093384]]],
"nadam": [{"learning_rate": 0.1},
  [[0.8943548202514648, -1.8943548202514648, 2.894354820251465], [0.4260849058628082, 1.9260847568511963]],
  [[0.6733704209327698, -1.7186411619186401, 2.6821343898773193], [0.19761109352111816, 1.7152099609375]]],
"nadam, decaying": [{"learning_rate": 0.1, "wd": 0.1},
  [[0.8943548202514648, -1.8943548202514648, 2.894354820251465], [0.4260849058628082, 1.9260847568511963]],
  [[0.67918461561203, -1.7105082273483276, 2.6838865280151367], [0.2063802033662796, 1.7177815437316895]]]}""")


@pytest.mark.parametrize("kind", ["one by one", "together", "trainer"])
@pytest.mark.parametrize("name", STEPS)
def test_steps_of_optimizers_with_two_parameters(name: str, kind: str) -> None:
    keywords, first, last = STEPS[name]
    weights = [np.array([1.0, -2, 3]), np.array([0.5, 2])]

    def gradient(w: Any, step: int) -> Any:
        return w * 0.3 + np.arange(w.shape[0]) * 0.1 + 0.05 * step

    found = []
    if kind == "trainer":
        parameters = [gluon.Parameter(f"p{i}_weight", shape=w.shape) for i, w in enumerate(weights)]
        for p, w in zip(parameters, weights, strict=True):
            p.initialize()
            p.set_data(w)
        trainer = gluon.Trainer(parameters, name.split(",")[0], keywords)
        for step in range(4):
            with autograd.record():
                loss = sum((p.data() * gradient(p.data(), step).detach()).sum() for p in parameters)
            loss.backward()
            trainer.step(1)
            found.append([p.data().asnumpy() for p in parameters])
    else:
        opt = optimizer.create(name.split(",")[0], **keywords)
        states = [opt.create_state(i, w) for i, w in enumerate(weights)]
        for step in range(4):
            if kind == "one by one":
                for i, (w, s) in enumerate(zip(weights, states, strict=True)):
                    opt.update(i, w, gradient(w, step), s)
            else:
                entries = [(i, w, gradient(w, step), s) for i, (w, s) in enumerate(zip(weights, states, strict=True))]
                opt.update_all(entries, *(np.array(v, dtype="float64") for v in (opt.lr, step + 1, 1.0)))
            found.append([w.asnumpy() for w in weights])
    for mine, theirs in zip(found[0] + found[3], first + last, strict=True):
        numpy.testing.assert_allclose(mine, theirs, atol=2e-6)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_rule_that_writes_nothing_is_refused(compiled: bool) -> None:
    class Returns(optimizer.Optimizer):
        def rule(self, weight: Any, grad: Any, state: Any, wd: float, *scalars: Any) -> Any:
            return weight - grad * scalars[0]

    class Writes(optimizer.Optimizer):
        def rule(self, weight: Any, grad: Any, state: Any, wd: float, *scalars: Any) -> None:
            weight[:] = weight - grad * scalars[0]

    p = gluon.Parameter("w", shape=(2,))
    p.initialize("ones")
    for kind in (Writes, Returns):
        opt = kind(learning_rate=0.5)
        trainer = gluon.Trainer([p], opt) if compiled else None

        def step(opt: Any = opt, trainer: Any = trainer) -> None:
            with autograd.record():
                loss = p.data().sum()
            loss.backward()
            if trainer is not None:
                trainer.step(1)
            else:
                opt.update(0, p.data(), p.grad(), None)

        if kind is Returns:
            with pytest.raises(ArgumentError, match=r"Returns.rule.*writes the new values into weight"):
                step()
        else:
            step()
            assert p.data().tolist() == [0.5, 0.5]


# -- Gluon -----------------------------------------------------------------------------------------


def test_order_of_recurrent_parameters() -> None:
    kinds = [f"{part}_{kind}" for kind in ("weight", "bias") for part in ("i2h", "h2h")]
    for make in (rnn.RNN, rnn.LSTM, rnn.GRU):
        names = [f"a_{d}{i}_{k}" for i, d, k in itertools.product(range(2), "lr", kinds)]
        assert list(make(2, 2, bidirectional=True, input_size=3, prefix="a_").collect_params()) == names
    assert list(rnn.LSTMCell(2, input_size=3, prefix="a_").collect_params()) == [f"a_{k}" for k in kinds]


@pytest.mark.parametrize("prefix", ["n_", ""])
def test_a_child_with_an_empty_prefix(prefix: str) -> None:
    class Net(gluon.HybridBlock):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            with self.name_scope():
                self.features = nn.HybridSequential(prefix="")
                with self.features.name_scope():
                    self.features.add(nn.Dense(1, in_units=1), nn.Dense(1, in_units=1))
                self.output = nn.Dense(1, in_units=1)

    with hn.name.NameManager():
        names = list(Net(prefix=prefix).collect_params())
    assert names == [f"{prefix}dense{i}_{kind}" for i in range(3) for kind in ("weight", "bias")]


def test_parts_for_one_device() -> None:
    parts = gluon.utils.split_and_load(np.arange(4), [cpu(0), cpu(0)])
    assert [p.tolist() for p in parts] == [[0, 1], [2, 3]]
    with pytest.raises(ArgumentError, match="split_and_load"):
        gluon.Parameter("w", shape=(2,)).initialize(ctx=[cpu(0), cpu(0)])


def test_a_fixed_gamma_is_written() -> None:
    """MXNet 1.9.1 writes the 1 that it takes into gamma, in training and in prediction."""
    for training in (False, True):
        for fixed in (False, True):
            gamma, others = nd.array([2, 2]), (nd.zeros((2,)), nd.zeros((2,)), nd.ones((2,)))
            with autograd.record(training):
                nd.BatchNorm(nd.ones((2, 2)), gamma, *others, fix_gamma=fixed)
            assert gamma.asnumpy().tolist() == ([1, 1] if fixed else [2, 2])
    for hybridize in (False, True):
        layer = nn.BatchNorm(scale=False, in_channels=2, gamma_initializer=hn.init.Constant(3))
        layer.initialize()
        layer.hybridize(hybridize)
        with autograd.record():
            layer(np.ones((2, 2)))
        assert layer.gamma.data().tolist() == [1, 1]


# -- arguments -------------------------------------------------------------------------------------

ARGUMENTS = [line.split("\t") for line in (Path(__file__).parent / "data" / "mxnet_1_9_1_arguments.tsv").read_text().splitlines()]


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
