"""Calls of cuBLASLt and cuDNN as programs and single operators make them: where operands lie, whose handles, settings, what is refused."""

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any
from unittest import mock

import numpy
import pytest
from emulator import streams
from emulator.emulator import COMPILER

import hybridnet as hn
from hybridnet import autograd, dtypes, np, npx
from hybridnet.codegen import cuda_program
from hybridnet.config import config
from hybridnet.device import Capture, blas, dnn
from hybridnet.graph.refusals import refusals

pytestmark = [
    pytest.mark.usefixtures("emulated_gpu"),
    pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here"),
]

LIBRARY: Any = dnn.library  # which the emulation stands before
TOLERANCE = {"float64": 1e-10, "float32": 1e-4, "float16": 6e-3, "bfloat16": 8e-2}


def on_gpu(values: Any, dtype: str = "float32") -> Any:
    return np.array(numpy.asarray(values, "float32"), device=hn.gpu()).astype(dtype)


# -- alignment -----------------------------------------------------------------------------------------


def convolve(x: Any, w: Any) -> Any:
    return npx.convolution(x, w, kernel=(3, 3), num_filter=w.shape[0], pad=(1, 1), no_bias=True)


def attend(q: Any, k: Any, v: Any) -> Any:
    return npx.scaled_dot_product_attention(q, k, v, causal=True)


class Case:
    """An operator that a library computes, on slices of larger arrays, or of what is computed from them, that begin anywhere."""

    def __init__(self, seed: int) -> None:
        self.rng = numpy.random.default_rng(seed)
        n, m, k = (int(i) for i in self.rng.integers(1, 6, 3))
        self.function, shapes = [
            (convolve, [(n, m, 5, 5), (k, m, 3, 3)]),
            (np.matmul, [(n, m, k), (n, k, 4)]),
            (np.matmul, [(m, k), (k, n)]),
            (attend, [(n, m, 4, 8)] * 3),
        ][seed % 4]
        self.dtype = str(self.rng.choice(["float16", "bfloat16"] if self.function is attend else list(TOLERANCE)))
        self.direct = bool(self.rng.integers(2))
        self.computed = bool(self.rng.integers(2))
        self.slices = [self._slices(shape) for shape in shapes]
        self.data = [self.rng.normal(size=[s.stop + 1 for s in of_one]).astype("float32") for of_one in self.slices]

    def _slices(self, shape: tuple[int, ...]) -> tuple[slice, ...]:
        """Of all axes, which leaves gaps, or of the first alone."""
        cut = len(shape) if self.rng.integers(2) else 1
        starts = [int(self.rng.integers(0, 4)) if i < cut else 0 for i in range(len(shape))]
        return tuple(slice(start, start + n) for start, n in zip(starts, shape, strict=True))

    def value(self, *arrays: Any) -> Any:
        return self.function(*((np.tanh(x) if self.computed else x)[at] for x, at in zip(arrays, self.slices, strict=True)))

    def gradients(self, *arrays: Any) -> list[Any]:
        for x in arrays:
            x.attach_grad()
        with autograd.record():
            y = self.value(*arrays)
            loss = (y * y).sum()
        loss.backward()
        return [y, *(x.grad for x in arrays)]

    def check(self, found: list[Any], expected: list[Any]) -> None:
        tolerance = TOLERANCE[self.dtype]
        for y, e in zip(found, (e.astype("float64").asnumpy() for e in expected), strict=True):
            numpy.testing.assert_allclose(y.astype("float64").asnumpy(), e, rtol=tolerance, atol=tolerance * abs(e).max())


@pytest.mark.parametrize("seed", [*range(8), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(8, 32))])
def test_operands_may_begin_anywhere(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eagerly and compiled, staged or read where they lie, with gradients: a library takes no address that its plan is not made for."""
    case = Case(seed)
    if case.direct:
        monkeypatch.setattr(cuda_program, "HOST_LAUNCH_BYTES", 0)
    expected = case.gradients(*(np.array(x).astype(case.dtype).astype("float64") for x in case.data))
    arrays = [on_gpu(x, case.dtype) for x in case.data]
    case.check(case.gradients(*arrays), expected)
    forward, whole = hn.jit(lambda *xs: case.value(*xs)), hn.jit(lambda *xs: case.gradients(*xs))
    for _ in range(3):
        case.check([forward(*arrays)], expected[:1])
        case.check(whole(*arrays), expected)
        with autograd.record():
            y = forward(*arrays)
            loss = (y * y).sum()
        loss.backward()
        case.check([y, *(x.grad for x in arrays)], expected)


def test_an_operand_at_an_odd_address_is_copied_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    x, w = on_gpu(numpy.ones((5, 3, 5, 5)), "bfloat16"), on_gpu(numpy.ones((4, 3, 3, 3)), "bfloat16")
    seen: list[list[int]] = []
    enqueue = dnn.Call.enqueue

    def watched(call: dnn.Call, pointers: Sequence[int], *rest: int) -> None:
        seen.append(list(pointers))
        enqueue(call, pointers, *rest)

    monkeypatch.setattr(dnn.Call, "enqueue", watched)
    begin, weight = x._data.data.ptr, w._data.data.ptr
    for y in (convolve(x[1:], w), convolve(x, w)):
        assert y.shape[1:] == (4, 5, 5)
    (moved, weight_then, _), (there, weight_now, _) = seen
    assert moved % 16 == 0 and not begin <= moved < begin + x._data.nbytes and there == begin
    assert weight_then == weight_now == weight


def test_which_programs_copy() -> None:
    """As many copies as the alignment of a call asks for: cuBLASLt reads from any element on."""

    def copies(function: Callable[..., Any], *arrays: Any) -> int:
        steps = str(hn.jit(function).program(*arrays).partition("#include")[0])
        return len(re.findall(r"//    copy(?!_arguments|_results)", steps))  # those bring arrays in and out

    x, w = on_gpu(numpy.ones((9, 3, 5, 5)), "bfloat16"), on_gpu(numpy.ones((4, 3, 3, 3)), "bfloat16")
    assert copies(lambda x, w: convolve(np.tanh(x)[1:], w), x, w) == copies(lambda x, w: convolve(np.tanh(x)[:-1], w), x, w) + 1
    assert copies(lambda x, w: convolve(np.tanh(x)[8:], w), x, w) == copies(lambda x, w: convolve(np.tanh(x)[:1], w), x, w)
    a = on_gpu(numpy.ones((5, 4)), "bfloat16")
    assert copies(lambda a: np.matmul(np.tanh(a)[1:], np.tanh(a).T), a) == 0


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("n", [1, 2, 4, 8])
def test_results_have_places_in_a_concatenation_where_calls_may_write(axis: int, n: int) -> None:
    """The second of two begins ``n`` results behind the first, of 50 bytes each."""

    def side_by_side(x: Any, w: Any) -> Any:
        return npx.softmax(np.concatenate([convolve(x[:n], w[:n]), convolve(np.tanh(x[:n]), w[:n])], axis=axis), axis=0)

    rng = numpy.random.default_rng(n)
    x, w = on_gpu(rng.normal(size=(8, 8, 5, 5)), "bfloat16"), on_gpu(rng.normal(size=(8, 8, 3, 3)), "bfloat16")
    compiled, expected = hn.jit(side_by_side), side_by_side(x, w).asnumpy()
    for _ in range(3):
        numpy.testing.assert_allclose(compiled(x, w).asnumpy().astype("float32"), expected.astype("float32"), rtol=2e-2, atol=1e-2)


# -- handles -------------------------------------------------------------------------------------------


def planned() -> tuple[Any, Callable[[int], None], Any]:
    """A convolution's call, what puts it on a stream, and its result."""
    x, w = on_gpu(numpy.ones((2, 3, 5, 5))), on_gpu(numpy.ones((4, 3, 3, 3)))
    y, expected = on_gpu(numpy.zeros((2, 4, 5, 5))), convolve(x, w)
    places = [dnn.Tensor(a.shape, tuple(s // 4 for s in a._data.strides)) for a in (x, w, y)]
    call = dnn.plan(dnn.Convolution("result", dtypes.float32, *places, (1, 1), (1, 1), (1, 1)))  # type: ignore[arg-type]
    assert call is not None
    scratch = on_gpu(numpy.zeros(call.workspace // 4 + 1))

    def enqueue(stream: int) -> None:
        call.enqueue([a._data.data.ptr for a in (x, w, y)], scratch._data.data.ptr, stream)

    def check() -> None:
        numpy.testing.assert_allclose(y.asnumpy(), expected.asnumpy())

    return call, enqueue, check


def test_a_thread_runs_a_convolution_while_another_captures_it(emulated_gpu: Any) -> None:
    """At once and on a stream of its own, however often; the capture stays what it is."""
    _, enqueue, check = planned()
    stream = emulated_gpu.cuda.Stream(non_blocking=True)
    with ThreadPoolExecutor(1) as other:
        other.submit(enqueue, 0).result(10)
        with Capture(hn.gpu()) as capture:
            enqueue(capture.stream.ptr)
            for to in (0, stream.ptr, 0):
                other.submit(enqueue, to).result(10)
            enqueue(capture.stream.ptr)
    enqueue(0)
    capture.graph.launch()
    check()


def test_a_thread_whose_handle_worked_on_what_captures_now() -> None:
    """Capture streams are used again, by any thread: no handle that runs at once may remember one."""
    _, enqueue, check = planned()
    with Capture(hn.gpu()) as first:
        enqueue(first.stream.ptr)
    ready, go_on = threading.Event(), threading.Event()

    def capture() -> None:
        with Capture(hn.gpu()) as second:
            assert second.stream is first.stream
            enqueue(second.stream.ptr)
            ready.set()
            assert go_on.wait(10)

    with ThreadPoolExecutor(1) as other:
        captured = other.submit(capture)
        assert ready.wait(10)
        try:
            enqueue(0)
        finally:
            go_on.set()
        captured.result(10)
    check()


def test_handles_are_made_when_nothing_captures() -> None:
    """They take memory of the device: the first product of all, and a thread's first convolution, wait for the end of a capture."""
    a, x, w = (on_gpu(numpy.ones(shape)) for shape in ((2, 2), (1, 1, 4, 4), (1, 1, 3, 3)))
    convolve(x, w)
    with ThreadPoolExecutor(2) as others:
        with Capture(hn.gpu()):
            waiting = [others.submit(np.matmul, a, a), others.submit(convolve, x, w)]
            assert not any(wait(waiting, 0.3).done)
        assert [y.result(10).shape for y in waiting] == [(2, 2), (1, 1, 4, 4)]


def test_a_plan_is_made_once_and_a_thread_gives_its_handle_back(monkeypatch: pytest.MonkeyPatch) -> None:
    builds, build = [], dnn.described
    monkeypatch.setattr(dnn, "described", lambda *args, **where: (builds.append(args[1]), build(*args, **where))[1])
    call, enqueue, check = planned()
    made = mock.Mock(wraps=dnn.library().create_handle)
    with mock.patch.object(type(dnn.library()), "create_handle", made):
        for _ in range(5):
            with ThreadPoolExecutor(1) as other:
                other.submit(enqueue, 0).result(10)
    assert made.call_count == 1  # one thread after another
    assert builds == [*dict.fromkeys(builds)] and call.name == "cuDNN eng0_k2=0"
    check()


def test_threads_that_want_the_same_plan_make_one(monkeypatch: pytest.MonkeyPatch) -> None:
    builds, build = [], dnn.described

    def slow(*args: Any, **where: Any) -> Any:
        builds.append(args[1])
        time.sleep(0.05)
        return build(*args, **where)

    monkeypatch.setattr(dnn, "described", slow)
    place = dnn.Tensor((2, 2, 4, 4), (32, 16, 4, 1)), dnn.Tensor((2, 2, 1, 1), (2, 1, 1, 1)), dnn.Tensor((2, 2, 4, 4), (32, 16, 4, 1))
    description = dnn.Convolution("result", dtypes.float32, *place, (0, 0), (1, 1), (1, 1))
    with ThreadPoolExecutor(4) as others:
        assert len(set(others.map(dnn.plan, [description] * 4))) == 1
    assert builds == [description]


def test_threads_train_and_predict_at_once() -> None:
    """A compiled function with a convolution and attention in one thread, from its first run over its capture on, and eagerly in others."""
    x, w = on_gpu(numpy.random.default_rng(0).normal(size=(2, 8, 4, 8)), "bfloat16"), on_gpu(numpy.ones((8, 8, 3, 3)) / 9, "bfloat16")

    def both(x: Any, w: Any) -> Any:
        y = convolve(x, w)
        return attend(y, y, y)

    expected = both(x, w).tolist()
    with ThreadPoolExecutor(4) as others:
        found = [others.submit(lambda f: [f(x, w).tolist() for _ in range(6)], f) for f in (hn.jit(both), both, hn.jit(both), both)]
        assert all(y.result(60) == [expected] * 6 for y in found)


def test_the_emulated_handle_spoils_a_capture(emulated_gpu: Any) -> None:
    """What the tests above rely on."""
    library: Any = dnn.library()
    handle, stream = library.create_handle(), emulated_gpu.cuda.Stream(non_blocking=True)
    library.set_stream(handle=handle, stream=stream.ptr)
    stream.begin_capture()
    with pytest.raises(streams.CaptureError, match="cudnnSetStream"):
        library.set_stream(handle=handle, stream=0)
    with pytest.raises(streams.CaptureError, match="spoilt"):
        stream.end_capture()
    stream.begin_capture()
    with ThreadPoolExecutor(1) as other, pytest.raises(streams.CaptureError, match="another thread"):
        other.submit(handle.execute, lambda: None).result(10)
    with pytest.raises(streams.CaptureError, match="cudnnCreate"):
        library.create_handle()
    streams.abandon()


# -- determinism ---------------------------------------------------------------------------------------


def test_determinism_is_one_setting_of_plans_and_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only attention's gradient differs by it; what was compiled under the other setting is compiled anew, and found again."""
    descriptions: list[Any] = []
    build = dnn.described
    monkeypatch.setattr(dnn, "described", lambda *args, **where: (descriptions.append(args[1]), build(*args, **where))[1])
    q, w = on_gpu(numpy.random.default_rng(0).normal(size=(2, 8, 300, 8)), "bfloat16"), on_gpu(numpy.ones((8, 8, 3, 3)), "bfloat16")

    def step(q: Any, w: Any) -> Any:
        q.attach_grad()
        with autograd.record():
            loss = attend(q, q, convolve(q, w)).sum()
        loss.backward()
        return q.grad

    compiled = hn.jit(step)
    made: dict[bool, tuple[Any, ...]] = {}
    for deterministic in (False, True, False):
        monkeypatch.setattr(config, "deterministic", deterministic)
        descriptions.clear()
        memory = compiled.memory(q, w).planned
        if deterministic in made:
            assert not descriptions and made[deterministic][1] == memory
        else:
            made[deterministic] = [d for d in descriptions if isinstance(d, dnn.AttentionGrad)], memory
            assert len(made) == 1 or {type(d) for d in descriptions} == {dnn.AttentionGrad}  # the others are the same plans
    assert [{d.deterministic for d in made[on][0]} for on in (False, True)] == [{False}, {True}]
    assert made[False][1] < made[True][1]  # sums for each block of keys
    assert len(compiled.cache) == 2 and compiled.retraces == ["deterministic: False became True"]


def test_tf32_is_a_setting_of_programs_and_eager_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    a = on_gpu(numpy.random.default_rng(0).normal(size=(8, 64)))
    compiled = hn.jit(lambda a: np.matmul(a, a.T))
    found: dict[bool, Any] = {}
    for tf32 in (False, True):
        monkeypatch.setattr(config, "tf32", tf32)
        found[tf32] = np.matmul(a, a.T).asnumpy()
        assert (compiled(a).asnumpy() == found[tf32]).all()
    assert (found[False] != found[True]).any()


# -- left out ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("library", "function"), [("cuBLASLt", np.matmul), ("cuDNN", convolve), ("cuDNN", attend)])
def test_a_library_that_is_left_out_computes_nothing(library: str, function: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eagerly and compiled; what was compiled with it is compiled anew, and ``explain`` says why."""
    rng = numpy.random.default_rng(0)
    arguments = {
        np.matmul: lambda: [on_gpu(rng.normal(size=(4, 8))), on_gpu(rng.normal(size=(8, 4)))],
        convolve: lambda: [on_gpu(rng.normal(size=(2, 3, 5, 5))), on_gpu(rng.normal(size=(4, 3, 3, 3)))],
        attend: lambda: [on_gpu(rng.normal(size=(1, 2, 4, 8)), "float16")] * 3,
    }[function]()
    compiled = hn.jit(function)
    expected = compiled(*arguments).asnumpy()
    made: list[Any] = []
    module = {"cuBLASLt": blas, "cuDNN": dnn}[library]
    planned = module._planned
    monkeypatch.setattr(module, "_planned", lambda *args: (made.append(args), planned(*args))[1])
    compiled(*arguments), function(*arguments)
    monkeypatch.setattr(config, "disabled_libraries", frozenset({library}))
    made.clear()
    for run in (compiled, function):
        numpy.testing.assert_allclose(run(*arguments).asnumpy(), expected, rtol=1e-2, atol=1e-3)
    assert not made
    assert compiled.retraces == [f"disabled_libraries: frozenset() became frozenset({{{library!r}}})"]
    told = compiled.explain(*arguments)
    assert f"{library} has no plan for" in told and "HYBRIDNET_DISABLE_LIBRARIES names it" in told


# -- refusals ------------------------------------------------------------------------------------------


def test_a_refused_plan_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Once as a warning, in ``explain``, and for the record; the numbers are those of the operator's parts."""
    q = on_gpu(numpy.random.default_rng(0).normal(size=(1, 2, 3, 6)), "float16")  # six features, of which cuDNN wants multiples of 8
    compiled = hn.jit(attend)
    with caplog.at_level(logging.WARNING, "hybridnet"):
        for k in (q, q[:, :, :2].copy()):
            numpy.testing.assert_allclose(compiled(q, k, k).asnumpy(), attend(q, k, k).asnumpy(), rtol=1e-2)
    (warning,) = [r.message for r in caplog.records]
    assert (
        warning.startswith("attention at test_libraries.py:") and "cuDNN has no plan for float16 attention, queries (1, 2, 3, 6)" in warning
    )
    assert "computed in its parts" in warning and warning.endswith("a multiple of 8 of them, without gaps")
    text = compiled.explain(q, q, q)
    assert text.count("refused: attention at test_libraries.py:") == 1 and "a multiple of 8 of them" in text
    assert "refused" not in hn.jit(np.matmul).explain(*[on_gpu(numpy.ones((2, 2)))] * 2)
    found = json.loads(json.dumps(refusals()))
    assert [(r["op"], r["library"], r["instead"]) for r in found] == [("attention", "cuDNN", "computed in its parts")] * 2
    assert found[0]["wanted"] != found[1]["wanted"] and found[0]["reason"] in text


def test_questions_that_settle_nothing_are_not_refusals(caplog: pytest.LogCaptureFixture) -> None:
    """Operands as they lie, of which a copy is taken then; dtypes that are not for the library."""
    a = on_gpu(numpy.ones((4, 4)))
    np.matmul(a[:, ::2], a[::2])
    hn.jit(lambda a: np.matmul(a[:, ::2], a[::2]))(a)
    attend(*[on_gpu(numpy.ones((1, 1, 2, 8)))] * 3)
    convolve(on_gpu(numpy.ones((1, 2, 4, 4)))[:, ::-1], on_gpu(numpy.ones((1, 2, 3, 3))))
    np.matmul(*[a.astype("int32")] * 2)
    assert not caplog.records and not refusals()


def test_a_product_that_is_refused_runs_through_cupy_and_says_so(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(type(blas.library()), "cublasLtMatmulAlgoGetHeuristic", lambda self, *args: 15)
    a = on_gpu(numpy.eye(3))
    compiled = hn.jit(lambda a: np.matmul(a + 1, a) * 2)
    for _ in range(3):
        assert (compiled(a).asnumpy() == numpy.eye(3) * 2 + 2).all()
    reason = "cuBLASLt has no plan for 1 × 3×3×3 float32: it has no algorithm: status 15"
    assert "matmul at test_libraries.py:" in compiled.explain(a) and f"{reason}; runs through CuPy" in compiled.explain(a)
    assert [r.message.count(reason) for r in caplog.records] == [1]
    assert [r["instead"] for r in refusals()] == ["computed by CuPy between two graphs"]


def test_a_library_that_is_not_there_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dnn, "library", lambda: None)
    q = on_gpu(numpy.ones((1, 1, 2, 8)), "float16")
    assert "cuDNN has no plan for float16 attention" in (text := hn.jit(attend).explain(q, q, q)) and text.endswith("it was not found")


def test_two_files_of_cudnn_are_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The frontend asserts that there is one."""

    def fail(name: str) -> None:
        raise AssertionError("Found 2 libcudnn.so.x in nvidia-cudnn-cuXX.")

    monkeypatch.setattr(dnn.importlib, "import_module", fail)  # type: ignore[attr-defined]
    assert LIBRARY.__wrapped__() is None
    (record,) = caplog.records
    assert "Found 2 libcudnn.so.x" in record.message
