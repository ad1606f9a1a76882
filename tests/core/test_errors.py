"""What errors say: the operator, what was expected and came, the user's line and block, the way out."""

import functools
import importlib
import inspect
import pickle
import signal
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tqdm import tqdm

import hybridnet
from hybridnet import errors
from hybridnet.autograd import record
from hybridnet.compile import jit
from hybridnet.config import SETTINGS, Config, config
from hybridnet.core import Kind, Op, apply, array, find
from hybridnet.device import Device, gpu, num_gpus
from hybridnet.dtypes import as_dtype
from hybridnet.gluon import HybridBlock, nn
from hybridnet.gluon.data import DataLoader
from hybridnet.gluon.loss import L2Loss
from hybridnet.gluon.model_zoo.vision import resnet18_v1


def line() -> int:
    frame = inspect.currentframe()
    assert frame is not None and frame.f_back is not None
    return frame.f_back.f_lineno


def test_a_message_has_one_form() -> None:
    x = array([[1.0, 2.0]])
    with pytest.raises(errors.ShapeError) as caught:
        here = line() + 1
        x + array([1.0, 2.0, 3.0])
    assert str(caught.value) == f"[add] expected shapes that broadcast; got (1, 2) and (3,); at test_errors.py:{here}"


def test_a_message_names_the_block() -> None:
    errors.scope_path().extend(["net", "dense0"])
    try:
        with pytest.raises(errors.ShapeError, match=r"; at test_errors\.py:\d+ in net\.dense0$"):
            array([1.0, 2.0]) + array([1.0, 2.0, 3.0])
    finally:
        errors.scope_path().clear()


def test_block_paths_belong_to_a_thread() -> None:
    errors.scope_path().append("net")
    try:
        seen: list[list[str]] = []
        thread = threading.Thread(target=lambda: seen.append(list(errors.scope_path())))
        thread.start()
        thread.join()
        assert seen == [[]]
    finally:
        errors.scope_path().clear()


@pytest.mark.parametrize("name", ["__main__", "train"])
@pytest.mark.parametrize("file", ["<stdin>", "<string>", "<ipython-input-1-0a>", "/home/me/numpy/train.py", "/home/me/threading.py"])
def test_the_users_code_is_told_by_its_file_or_its_module(file: str, name: str) -> None:
    """The prompt, ``python -c`` and notebooks have no file; folders may be called as NumPy is."""
    names = {"__name__": name, "x": array([1.0, 2.0]), "y": array([1.0, 2.0, 3.0])}
    with pytest.raises(errors.ShapeError) as caught:
        exec(compile("z = 1\nx + y", file, "exec"), names)
    assert str(caught.value).endswith(f"; at {file.rpartition('/')[2]}:2")


def test_what_stands_between_is_passed_over() -> None:
    """Python's own library, a bar around a loop, and functions that dataclasses write for the package: the user's line is beyond."""
    x, y = array([1.0, 2.0]), array([1.0, 2.0, 3.0])
    written: dict[str, Any] = {"__name__": "hybridnet.core.made", "x": x, "y": y}
    exec(compile("def made(): return x + y", "<string>", "exec"), written)
    batches = DataLoader([np.ones(2), np.ones(3)], 2)
    ways: list[Callable[[], object]] = [
        written["made"],
        lambda: functools.singledispatch(x.__add__)(y),
        lambda: importlib.import_module("hybridnet.numpy").fooo,
        lambda: list(tqdm(batches, disable=True)),
    ]
    for way in ways:
        with pytest.raises(errors.HybridnetError, match=r"; at test_errors\.py:\d+"):
            way()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: nn.Dense(3, activaton="relu"), r"\[Dense\] expected the arguments \(units, activation=None, .* try activation="),
        (lambda: nn.Conv2D(3, 3, pading=1), r"\[Conv2D\] .*'pading'; .* try padding="),
        (lambda: L2Loss(weigth=2), r"\[L2Loss\] .*'weigth'; .* try weight="),
        (lambda: resnet18_v1(clases=10), r"\[ResNetV1\] .*'clases'; .* try classes="),
        (lambda: nn.Dense(3)([[1.0, 2.0]]), r"\[Dense\] expected an array among the inputs; got list; .* in dense\d+; try np.array"),
        (lambda: used(nn.Dense(3), 2), r"\[Dense\] expected the arguments \(x\); got too many positional arguments; .* in dense\d+"),
        (
            lambda: used(Swapped(), 1),
            r"\[Swapped\] expected hybrid_forward to take the block's parameters by name, also gain; got \(self, F, x\)",
        ),
        (lambda: used(Own(), 2), r"\[Own\] expected the arguments \(x\); got too many"),
    ],
)
def test_mistakes_with_the_arguments_of_blocks(make: Callable[[], object], text: str) -> None:
    with pytest.raises(errors.HybridnetError, match=text):
        make()


class Swapped(HybridBlock):
    """A block whose ``hybrid_forward`` forgets its parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = self.params.get("gain", shape=(2,))

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # type: ignore[override]
        return x


class Own(HybridBlock):
    """A block with a ``forward`` of its own."""

    def forward(self, x: Any) -> Any:  # type: ignore[override]
        return x + 1


def used(block: HybridBlock, inputs: int) -> object:
    """Call it, initialized and compiled, with so many inputs."""
    block.initialize()
    block.hybridize()
    return block(*[array([[1.0, 2.0]])] * inputs)


def test_a_type_error_of_the_users_own_stays_as_it_is() -> None:
    class Odd(HybridBlock):
        def forward(self, x: Any) -> Any:  # type: ignore[override]
            return x + len(3)  # type: ignore[arg-type]

    with pytest.raises(TypeError, match="has no len") as caught:
        Odd()(array([1.0]))
    assert not isinstance(caught.value, errors.HybridnetError)


@pytest.mark.parametrize("shape", ["a", (2, "b"), (2.5, 3), (2, None), (2, float("inf")), 2.0])
@pytest.mark.parametrize(
    "make", [hybridnet.np.ones, hybridnet.nd.zeros, hybridnet.np.ones(6).reshape, lambda s: hybridnet.np.random.normal(size=s)]
)
def test_shapes_that_are_none(make: Callable[[object], object], shape: object) -> None:
    with pytest.raises(errors.ShapeError, match=r"expected a shape"):
        make(shape)


def test_whole_floats_are_sizes() -> None:
    assert hybridnet.np.ones((2.0, 3)).shape == (2, 3)


@pytest.mark.parametrize("value", ["a", None, -1, "-3"])
def test_seeds_that_are_none(value: Any) -> None:
    with pytest.raises(errors.ArgumentError, match=r"expected a non-negative integer; got"):
        hybridnet.random.seed(value)


def test_a_hook_that_is_no_function() -> None:
    with pytest.raises(errors.ArgumentError, match=r"expected a function around\(call, compute\); got int"):
        hybridnet.hooks.operator_hook(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [[[1, 2], [3]], [[np.ones(2)], [np.ones(3)]]])
@pytest.mark.parametrize("make", [hybridnet.np.array, hybridnet.np.asarray, hybridnet.nd.array, array])
def test_rows_of_different_lengths(make: Callable[[object], object], value: object) -> None:
    with pytest.raises(errors.ShapeError, match="nested sequences of equal lengths"):
        make(value)


def test_the_line_is_that_of_the_statement_in_a_longer_function() -> None:
    def user_code() -> object:
        x = array([1.0])
        y = x * 2

        return y.reshape(5)  # this one

    first = user_code.__code__.co_firstlineno
    with pytest.raises(errors.ShapeError, match=rf"test_errors\.py:{first + 4}"):
        user_code()


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (errors.ArgumentError, ValueError),
        (errors.ShapeError, ValueError),
        (errors.DtypeError, TypeError),
        (errors.AxisError, IndexError),
        (errors.AxisError, ValueError),
        (errors.DeviceError, RuntimeError),
        (errors.AutogradError, RuntimeError),
        (errors.TraceError, RuntimeError),
        (errors.FileFormatError, ValueError),
    ],
)
def test_errors_are_also_pythons(error: type[Exception], builtin: type[Exception]) -> None:
    assert issubclass(error, errors.HybridnetError) and issubclass(error, builtin)


def test_errors_can_be_pickled() -> None:
    error = errors.ShapeError("[add] expected …")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_every_error_class_says_when_it_is_raised() -> None:
    for cls in vars(errors).values():
        if isinstance(cls, type) and issubclass(cls, errors.HybridnetError):
            assert cls.__doc__


# -- from everyday mistakes -----------------------------------------------------------------------


def test_mistakes_with_shapes_and_axes() -> None:
    x = array(np.zeros((2, 3), np.float32))
    with pytest.raises(errors.AxisError, match=r"\[sum\] expected an axis from -2 to 1; got 2"):
        x.sum(axis=2)
    with pytest.raises(errors.AxisError, match=r"\[sum\] expected axes that differ"):
        x.sum(axis=(0, -2))
    with pytest.raises(errors.ArgumentError, match=r"\[sum\] expected an integer axis"):
        x.sum(axis="rows")
    with pytest.raises(errors.ShapeError, match=r"\[matmul\] expected inner dimensions that agree; got \(2, 3\) and \(2, 3\)"):
        x @ x
    with pytest.raises(errors.ShapeError, match=r"\[reshape\].*6 elements for \(2, 3\); got \(4, -1\)"):
        x.reshape(4, -1)
    with pytest.raises(errors.ShapeError, match=r"\[max\] expected something to choose from"):
        x[:0].max()


@pytest.mark.parametrize("text", ["01f4", "(2, 2)f4", "f4,f4", "", "3", "()", "\u00e9", "f4)"])
def test_a_type_by_no_name(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy reads records and shapes in such texts, by Python's compiler, whose errors are no TypeErrors; files bring them."""
    monkeypatch.setattr("ast.literal_eval", lambda text: pytest.fail("the text was compiled"))
    with pytest.raises(errors.DtypeError, match=r"\[dtype\] expected one of float16"):
        as_dtype(text)


def test_mistakes_with_dtypes() -> None:
    with pytest.raises(errors.HybridnetError, match=r"\[bitwise_and\].*float32"):
        array([1.0]) & array([2.0])
    with pytest.raises(errors.DtypeError, match=r"\[dtype\] expected one of float16.*; got 'flaot32'"):
        as_dtype("flaot32")


def test_an_unknown_operator_lists_near_ones() -> None:
    with pytest.raises(errors.ArgumentError, match="reshape"):
        find("reshap")


def test_devices_that_are_not_there() -> None:
    with pytest.raises(errors.DeviceError, match="cpu, gpu or cpu_pinned; got 'tpu'"):
        Device("tpu")
    if num_gpus() == 0:
        with pytest.raises(errors.DeviceError, match=r"\[gpu\].*; try .*cpu\(\)"):
            array([1.0], device=gpu(0))


def test_an_operator_that_fails_for_a_reason_infer_does_not_know() -> None:
    """The cause stays attached, and the message says with what the operator was called."""
    with pytest.raises(errors.HybridnetError) as caught:
        array([2], "int32") ** array([-1], "int32")
    assert isinstance(caught.value.__cause__, ValueError)
    assert "int32[1], int32[1]" in str(caught.value)


@pytest.mark.parametrize("size", [2, 1 << 17])  # alone, and as a line of a region
def test_a_compiled_function_fails_as_an_eager_one_does(size: int) -> None:
    x, y = array(np.full(size, 2, "int32")), array(np.full(size, -1, "int32"))

    def f(x: Any, y: Any) -> Any:
        return (x * 3) ** (y + 0 * x) + 1

    for function in (f, jit(f)):
        with pytest.raises(errors.HybridnetError) as caught:
            function(x, y)
        assert isinstance(caught.value.__cause__, ValueError)
        said = f"[power] expected operands that it can compute with; got int32[{size}], int32[{size}] (ValueError: "
        assert str(caught.value).startswith(said)
        assert f"at test_errors.py:{f.__code__.co_firstlineno + 1}" in str(caught.value)


def test_an_error_leaves_the_modes_as_they_were() -> None:
    x = array([1.0])
    x.attach_grad()
    with record():
        with pytest.raises(errors.ShapeError):
            x.reshape(3)
        y = x * 2
    y.backward()
    assert x.grad.tolist() == [2]


# -- configuration --------------------------------------------------------------------------------


def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRIDNET_DEBUG", "2")
    monkeypatch.setenv("HYBRIDNET_DISABLE_PASSES", "fuse, fold")
    assert Config().debug == 2
    assert Config().disabled_passes == frozenset({"fuse", "fold"})
    monkeypatch.setenv("HYBRIDNET_DEBUG", "much")
    with pytest.raises(ValueError, match="HYBRIDNET_DEBUG='much' cannot be read"):
        Config()
    monkeypatch.setenv("HYBRIDNET_DEBUG", "0")
    monkeypatch.setenv("HYBRIDNET_DISABLE_LIBRARIES", "oneDNN,cuDNN")
    assert Config().disabled_libraries == frozenset({"oneDNN", "cuDNN"})
    monkeypatch.setenv("HYBRIDNET_DISABLE_LIBRARIES", "onednn")
    with pytest.raises(
        ValueError, match=r"HYBRIDNET_DISABLE_LIBRARIES='onednn' cannot be read: names of libraries .*: oneDNN and numba on a CPU"
    ):
        Config()


def test_every_setting_is_an_attribute_with_help() -> None:
    for name, setting in SETTINGS.items():
        assert hasattr(config, name) and setting.variable.startswith(("HYBRIDNET_", "MXNET_")) and setting.help


def test_what_is_no_fault_of_an_operator_passes_through_it() -> None:
    """MemoryError, KeyboardInterrupt, and what the handler of a signal raises while NumPy computes."""
    with pytest.raises(MemoryError, match="allocate"):
        hybridnet.np.ones((10**7, 10**9))

    class TimeIsUp(ValueError):
        pass

    class Handlers:
        def raising(self, number: int, frame: object) -> None:
            raise TimeIsUp

    def interrupted(data: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        signal.raise_signal(signal.SIGUSR1)
        return data

    op = Op("interrupted", Kind.OPAQUE, lambda x: x, compute=lambda xp, x: interrupted(x))
    before = signal.getsignal(signal.SIGUSR1)
    try:
        signal.signal(signal.SIGUSR1, Handlers().raising)
        with pytest.raises(TimeIsUp):
            apply(op, (array(np.ones(2)),))
        signal.signal(signal.SIGUSR1, signal.default_int_handler)
        with pytest.raises(KeyboardInterrupt):
            apply(op, (array(np.ones(2)),))
    finally:
        signal.signal(signal.SIGUSR1, before)
