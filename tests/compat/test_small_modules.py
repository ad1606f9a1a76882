"""The small modules of MXNet: switches, helpers, registries, loggers, features, errors."""

import logging
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hybridnet as mx
from hybridnet.errors import ArgumentError, DeviceError, DtypeError


def test_switches_of_shapes_and_arrays() -> None:
    """Two switches, each a thread's own, with scopes that nest."""
    util = mx.util
    assert util.is_np_array() and util.is_np_shape()
    try:
        assert util.set_np_shape(False) is True
        assert util.is_np_array() and not util.is_np_shape()
        assert util.set_np_shape(True) is False
        util.reset_np()
        with util.np_array():
            assert (util.is_np_array(), util.is_np_shape()) == (True, False)
            with util.np_shape(), util.np_array(False):
                assert (util.is_np_array(), util.is_np_shape()) == (False, True)
            assert (util.is_np_array(), util.is_np_shape()) == (True, False)
        seen: list[bool] = []
        thread = threading.Thread(target=lambda: seen.append(util.is_np_array()))
        thread.start()
        thread.join()
        assert seen == [True] and not util.is_np_array()  # a thread begins with the rules of the process
        util.set_np(shape=True, array=False)
        assert (util.is_np_array(), util.is_np_shape()) == (False, True)
        with pytest.raises(ArgumentError, match="shape=True where array=True"):
            util.set_np(shape=False)
        util.set_np(dtype=True)
        assert util.is_np_default_dtype()
    finally:
        util.set_np()
    assert not util.is_np_default_dtype()


def test_decorators_reach_every_kind_of_method() -> None:
    class Model:
        def plain(self) -> tuple[bool, bool]:
            return mx.is_np_array(), mx.is_np_shape()

        @staticmethod
        def static() -> tuple[bool, bool]:
            return mx.is_np_array(), mx.is_np_shape()

        @classmethod
        def of_class(cls) -> tuple[str, bool]:
            return cls.__name__, mx.is_np_array()

        @property
        def shown(self) -> bool:
            """Shown."""
            return mx.is_np_array()

        @shown.setter
        def shown(self, value: list[bool]) -> None:
            value.append(mx.is_np_array())

    try:
        mx.util.reset_np()
        decorated = mx.util.use_np(Model)
        model, seen = decorated(), []  # type: ignore[var-annotated]
        model.shown = seen
        assert model.plain() == model.static() == (True, True) and model.of_class() == ("Model", True)
        assert seen == [True] and model.shown and Model.shown.__doc__ == "Shown."
        assert mx.util.use_np_array(lambda: (mx.is_np_array(), mx.is_np_shape()))() == (True, False)
        assert mx.util.use_np_shape(lambda: (mx.is_np_array(), mx.is_np_shape()))() == (False, True)
        assert not mx.is_np_array()
    finally:
        mx.util.set_np()
    with pytest.raises(DtypeError, match=r"\[use_np\] expected a class or something that can be called"):
        mx.util.use_np(3)


def test_util() -> None:
    mx.util.setenv("HYBRIDNET_OF_A_TEST", "7")
    assert mx.util.getenv("HYBRIDNET_OF_A_TEST") == "7"
    mx.util.setenv("HYBRIDNET_OF_A_TEST", None)
    assert mx.util.getenv("HYBRIDNET_OF_A_TEST") is None
    assert mx.util.set_module("a.b")(lambda: 0).__module__ == "a.b"
    with pytest.raises(DeviceError, match="a GPU; got cpu"):
        mx.util.get_cuda_compute_capability(mx.cpu())

    @mx.util.wrap_np_unary_func
    def half(x: Any, out: Any = None) -> Any:
        return x / 2

    assert half(4, where=True, casting="same_kind") == 2
    with pytest.raises(NotImplementedError, match="order='C'"):
        half(4, order="C")
    with pytest.raises(TypeError, match="where=3"):
        half(4, where=3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'axis'"):
        half(4, axis=1)
    assert mx.util.wrap_np_binary_func(lambda x1, x2, out=None: x1 + x2)(1, 2, subok=True) == 3
    legal = mx.util.np_ufunc_legal_option
    assert legal("dtype", "float32") and legal("casting", "no") and not legal("order", "Z") and not legal("axis", 1)


def test_base() -> None:
    base = mx.base
    assert (base._as_list(3), base._as_list((1, 2)), base._as_list([1])) == ([3], (1, 2), [1])
    assert base.MXNetError is mx.MXNetError and issubclass(base.MXNetError, RuntimeError)
    assert repr(base._Null) == "_Null" and isinstance(np.float32(1), base.numeric_types) and base.mx_real_t is np.float32
    assert base.py_str(b"a") == "a" and base.c_str("a").value == b"a" and list(base.c_array(base.mx_uint, [1, 2])) == [1, 2]
    doc = base.build_param_doc(["a", "a", "b"], ["int", "int", "str"], ["The first.", "Again.", ""])
    assert doc == "Parameters\n----------\na : int\n    The first.\nb : str\n"

    class Named:
        name = base.classproperty(lambda cls: cls.__name__.lower())

    assert Named.name == "named"
    with pytest.raises(AttributeError, match="no C library: all is Python"):
        base.NDArrayHandle


def test_errors() -> None:
    assert issubclass(mx.error.InternalError, mx.MXNetError)

    @mx.error.register
    class OwnError(mx.MXNetError):
        pass

    mx.error.register_error("Other", OwnError)
    assert mx.base.error_types["OwnError"] is mx.base.error_types["Other"] is OwnError


def test_registries() -> None:
    class Thing:
        pass

    register, alias = mx.registry.get_register_func(Thing, "thing"), mx.registry.get_alias_func(Thing, "thing")
    create = mx.registry.get_create_func(Thing, "thing")

    @alias("foo", "Bar")
    @register
    class Own(Thing):
        def __init__(self, a: int = 1) -> None:
            self.a = a

    assert create("foo").a == 1 and create("BAR", 2).a == 2 and create("own", a=3).a == 3
    assert create('["own", {"a": 4}]').a == 4 and create('{"thing": "own", "a": 5}').a == 5 and create({"thing": "foo", "a": 6}).a == 6
    made = Own()
    assert create(made) is made and mx.registry.get_registry(Thing) == {"own": Own, "foo": Own, "bar": Own}
    refused: list[tuple[Any, str]] = [(("ow",), "got 'ow'.*try own"), ((made, 1), "no arguments beside"), ((3,), "a name; got 3")]
    for arguments, match in refused:
        with pytest.raises(ArgumentError, match=match):
            create(*arguments)
    with pytest.raises(ArgumentError, match="a subclass of Thing"):
        register(int)


def test_loggers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logger = mx.log.get_logger("hybridnet.of_a_test", level=mx.log.INFO)
    assert mx.log.get_logger("hybridnet.of_a_test") is logger and len(logger.handlers) == 1
    formatter = logger.handlers[0].formatter
    record = logging.LogRecord("n", logging.WARNING, "train.py", 8, "hello %d", (1,), None, "main")
    assert formatter is not None
    text = formatter.format(record)
    assert text.startswith("W") and text.endswith(f"{record.process} train.py:main:8] hello 1")
    file = tmp_path / "log.txt"
    mx.log.get_logger("hybridnet.of_a_file", str(file), level=mx.log.DEBUG).debug("to a file")
    logging.getLogger("hybridnet.of_a_file").handlers[0].close()
    assert file.read_text() == "to a file\n"
    with pytest.warns(DeprecationWarning, match="use get_logger"):
        assert mx.log.getLogger("hybridnet.of_a_test") is logger


def test_features() -> None:
    features = mx.runtime.Features()
    assert features.is_enabled("lapack") and not features.is_enabled("TENSORRT")
    assert features.is_enabled("CUDA") == bool(mx.num_gpus())
    assert len(mx.runtime.feature_list()) == 32 and "✔ LAPACK" in repr(features)
    with pytest.raises(RuntimeError, match="one of CUDA, CUDNN"):
        features.is_enabled("other")


def test_bulks_change_nothing_and_are_remembered() -> None:
    before = mx.engine.set_bulk_size(5)
    with mx.engine.bulk(9):
        assert mx.engine.set_bulk_size(9) == 9
    assert mx.engine.set_bulk_size(before) == 5


def test_what_is_not_there() -> None:
    assert mx.libinfo.find_lib_path() == [] and mx.libinfo.find_include_path() == ""
    with pytest.raises(ArgumentError, match="an operator written in Python"):
        mx.library.load("ops.so")
    with pytest.raises(ArgumentError, match="expected workers alone; got a server"):
        mx.kvstore.KVStoreServer(None)


def test_older_ways_to_gradients() -> None:
    old = mx.contrib.autograd
    x = mx.nd.array([1.0, 2.0])
    grads, value = old.grad_and_loss(lambda a, b: a * a * b)(x, x * 3)
    assert value.asnumpy().tolist() == [3, 24] and [g.asnumpy().tolist() for g in grads] == [[6, 24], [1, 4]]
    assert old.grad(lambda a, b: a * b, argnum=1)(x, x * 1)[0].asnumpy().tolist() == [1, 2]
    with old.train_section():
        assert mx.autograd.is_recording() and mx.autograd.is_training()
        with old.test_section():
            assert not mx.autograd.is_recording()
    assert not mx.autograd.is_recording()
    with pytest.raises(TypeError, match="a list of arrays"):
        old.backward(x)


def test_a_loader_as_an_iterator() -> None:
    loader = mx.gluon.data.DataLoader(mx.gluon.data.ArrayDataset(np.arange(10, dtype="float32").reshape(5, 2), np.arange(5)), batch_size=2)
    batches = mx.contrib.io.DataLoaderIter(loader)
    assert [tuple(d) for d in (*batches.provide_data, *batches.provide_label)] == [("data", (2, 2)), ("softmax_label", (2,))]
    for _ in range(2):
        seen = [(b.data[0].asnumpy().tolist(), b.label[0].asnumpy().tolist(), b.pad) for b in batches]
        assert len(seen) == 3 and seen[-1] == ([[8, 9], [8, 9]], [4, 4], 1)
        batches.reset()
    with pytest.raises(ArgumentError, match="a loader with batches"):
        mx.contrib.io.DataLoaderIter([])


def test_flattening() -> None:
    block = mx.gluon.block
    a, b = mx.nd.ones(1), mx.nd.zeros(1)
    flat, structure = block._flatten([a, None, (b, [a])], "input")  # type: ignore[attr-defined]
    assert structure == [0, -1, [0, [0]]]
    again, rest = block._regroup([*flat, b], structure)  # type: ignore[attr-defined]
    assert again[0] is a and again[2][0] is b and again[2][1][0] is a and rest == [b]
    with pytest.raises(DtypeError, match="input of arrays, or nested lists"):
        block._flatten([3], "input")  # type: ignore[attr-defined]
