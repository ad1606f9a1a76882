"""``mx.test_utils``: comparisons, random arrays and checks, with MXNet 1.9.1's tolerances and draws; each check can fail."""

import bz2
import gzip
import os
import struct
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

import hybridnet as hn
from hybridnet import autograd, nd, np
from hybridnet import test_utils as tu
from hybridnet.config import config
from hybridnet.errors import ArgumentError, FileFormatError
from hybridnet.gluon import nn

ONES = numpy.ones(3)


def fails(function: Callable[..., Any], *args: Any, match: str = ".", **kwargs: Any) -> None:
    with pytest.raises(AssertionError, match=match):
        function(*args, **kwargs)


class TestComparing:
    def test_tolerances_are_mxnets(self) -> None:
        kinds = ("float16", "float32", "float64", "int32")
        assert [tu.default_rtols()[numpy.dtype(k)] for k in kinds] == [1e-2, 1e-4, 1e-5, 0]
        assert [tu.default_atols()[numpy.dtype(k)] for k in kinds] == [1e-1, 1e-3, 1e-20, 0]
        assert [tu.default_numeric_eps()[numpy.dtype(k)] for k in kinds[:3]] == [2**-6, 2**-9, 2**-14]
        assert (tu.get_rtol(), tu.get_atol(), tu.get_etol(), tu.get_rtol(0.5), tu.get_atol(3), tu.get_etol(0.1)) == (
            1e-5,
            1e-20,
            0,
            0.5,
            3,
            0.1,
        )
        assert (tu.get_rtol(dtype="float16"), tu.get_atol(None, numpy.float32)) == (1e-2, 1e-3)
        single, half = nd.ones(3), nd.ones(3, dtype="float16")
        assert tu.get_tols(single, half, None, None) == (1e-2, 1e-1)
        assert tu.get_tols(ONES, single, None, 1) == (1e-4, 1)
        assert tu.get_tols(numpy.ones(3, "int32"), numpy.ones(3, "int64"), None, None) == (0, 0)
        assert tu.get_tols(1.0, single, {numpy.float32: 0.2}, None) == (0.2, 1e-3)
        assert tu.effective_dtype(half) == numpy.float16 and tu.effective_dtype(3.0) == numpy.float64
        assert tu.get_tolerance(np.ones(2, dtype="bfloat16"), None, tu.default_rtols()) == 3e-2

    def test_tf32_is_as_coarse_as_float16(self, emulated_gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        x = np.ones(2, device=hn.gpu())
        assert tu.effective_dtype(x) == numpy.float32
        monkeypatch.setattr(config, "tf32", True)
        assert tu.effective_dtype(x) == numpy.float16 and tu.effective_dtype(np.ones(2)) == numpy.float32

    def test_same(self) -> None:
        assert tu.same(nd.ones(3), ONES) and not tu.same(numpy.array([numpy.nan]), numpy.array([numpy.nan]))
        assert not tu.same(numpy.ones((1, 3)), ONES)

    def test_almost_equal(self) -> None:
        assert tu.almost_equal(ONES, ONES + 1e-6) and not tu.almost_equal(ONES, ONES + 1e-3)
        assert tu.almost_equal(ONES, ONES + 1e-3, rtol=1e-2) and tu.almost_equal(ONES, ONES + 1e-3, atol=1e-2)
        nan = numpy.array([numpy.nan])
        assert not tu.almost_equal(nan, nan) and tu.almost_equal(nan, nan, equal_nan=True)
        assert tu.almost_equal(numpy.ones((1, 3)), ONES)
        half = numpy.ones(2, numpy.float16)
        assert not tu.almost_equal(half, half + numpy.float16(0.001)), "the tolerance is the same for every dtype, as MXNet's"
        fails(
            tu.almost_equal, numpy.ones((1, 3)), ONES, use_broadcast=False, match=r"a.shape = \(1, 3\) and b.shape = \(3,\) are not equal"
        )

    def test_the_message_says_where(self) -> None:
        with pytest.raises(AssertionError) as caught:
            tu.assert_almost_equal(nd.ones((2, 2)), nd.array([[1, 2], [3, 4]]), names=("x", "y"), mismatches=(2, 10))
        lines = str(caught.value).splitlines()
        assert lines[:5] == [
            "Items are not equal:",
            "Error 2142.857143 exceeds tolerance rtol=1.000000e-04, atol=1.000000e-03 (mismatch 75.000000%).",
            "Location of maximum error: (1, 1), x=1.00000000, y=4.00000000",
            "  1: Error 2142.857143  Location of error: (1, 1), x=1.00000000, y=4.00000000",
            "  2: Error 1538.461538  Location of error: (1, 0), x=1.00000000, y=3.00000000",
        ]
        assert "ACTUAL" in lines[5] and any("DESIRED" in line for line in lines)
        fails(tu.assert_almost_equal, 3, 3.1, match=r"Error 3225.806452 .*\n.*: \(\), a=3.00000000")

    @pytest.mark.parametrize(
        ("a", "b", "equal"),
        [
            (ONES, ONES, True),
            (3, 3.0, True),
            (True, True, True),
            ([1, 2], (1, 2), True),
            (numpy.zeros((0, 2)), numpy.zeros((0, 2)), True),
            (numpy.array([numpy.inf, 1]), numpy.array([numpy.inf, 1]), True),
            (numpy.array([numpy.inf, 1]), numpy.array([-numpy.inf, 1]), False),
            (numpy.array([numpy.nan, 1]), numpy.array([2, 1]), False),
            (numpy.array([200], "uint8"), numpy.array([201], "uint8"), False),
            (numpy.array([2**62], "int64"), numpy.array([2**62 + 1], "int64"), False),
            (numpy.array([1 + 1j]), numpy.array([1 + 1j]), True),
            (np.ones(2, dtype="bfloat16"), np.ones(2), True),
        ],
    )
    def test_what_is_equal(self, a: Any, b: Any, equal: bool) -> None:
        tu.assert_almost_equal(a, b) if equal else fails(tu.assert_almost_equal, a, b)

    def test_variants(self) -> None:
        zeros, five = numpy.zeros(100), numpy.r_[numpy.ones(5), numpy.zeros(95)]
        tu.assert_almost_equal_with_err(zeros, five, etol=0.1)
        fails(tu.assert_almost_equal_with_err, zeros, five, etol=0.01, match="mismatch 5.000000%")
        fails(tu.assert_almost_equal_with_err, zeros, five)
        holes = numpy.array([numpy.nan, 1])
        tu.assert_almost_equal_ignore_nan(holes, numpy.array([3, 1.0]))
        fails(tu.assert_almost_equal_ignore_nan, holes, numpy.array([3, 2.0]))
        tu.assert_allclose(holes, holes)
        fails(tu.assert_allclose, ONES, ONES + 1e-6, match="Error 9.99")
        nested = (nd.ones(2), (nd.ones(1), None))
        tu.compare_ndarray_tuple(nested, nested)
        fails(tu.compare_ndarray_tuple, nested, (nd.ones(2), (nd.zeros(1), None)))
        assert tu.locationError(numpy.ones((2, 2)), numpy.zeros((2, 2)), (0, 1), ("a", "b"), True).startswith(
            "Location of maximum error: (0, 1)"
        )


class TestDrawing:
    @pytest.fixture(autouse=True)
    def _seeded(self) -> None:
        numpy.random.seed(7)

    @pytest.mark.parametrize(
        ("draw", "expected"),
        [
            (lambda: tu.rand_shape_2d(), (5, 10)),
            (lambda: tu.rand_shape_3d(), (5, 10, 7)),
            (lambda: tu.rand_shape_nd(5), (5, 10, 7, 4, 4)),
            (lambda: tu.rand_shape_nd(5, allow_zero_size=True), (4, 9, 6, 3, 3)),
            (lambda: tu.rand_coord_2d(0, 10, 20, 30), (4, 29)),
            (lambda: tu.random_sample([1, 2, 3, 4, 5], 3), [1, 4, 3]),
            (lambda: tu.random_arrays((2,), (3,))[1].round(4).tolist(), [0.0328, 0.4075, -0.7889]),
            (lambda: tu.random_arrays((2,)).round(4).tolist(), [1.6905, -0.4659]),
            (lambda: tu.random_uniform_arrays((2,), low=-3, high=9)[0].round(4).tolist(), [-2.0843, 6.359]),
            (lambda: tu.rand_ndarray((2, 2)).asnumpy().round(4).tolist(), [[1.6905, -0.4659], [0.0328, 0.4075]]),
        ],
    )
    def test_draws_are_mxnets(self, draw: Callable[[], Any], expected: Any) -> None:
        numpy.testing.assert_allclose(draw(), expected, atol=1e-6)

    def test_arrays(self) -> None:
        assert tu.rand_ndarray((2, 3), dtype="float64").dtype == numpy.float64
        with hn.util.np_array(False):
            assert type(tu.rand_ndarray((2,), ctx=hn.cpu(1))) is nd.NDArray
        with pytest.raises(ArgumentError, match="stype csr or row_sparse; got 'rows'"):
            tu.rand_ndarray((2, 2), "rows")
        assert tu.create_2d_tensor(2, 3).asnumpy().tolist() == [[0] * 3, [1] * 3] and tu.create_vector(3).asnumpy().tolist() == [0, 1, 2]
        assert tu.get_identity_mat(2).asnumpy().tolist() == [[1, 0], [0, 1]] and tu.get_identity_mat_batch(2).shape == (2, 2, 2)

    def test_matrices(self) -> None:
        q = tu.new_orthonormal_matrix_2d(4)
        numpy.testing.assert_allclose(q @ q.T, numpy.eye(4), atol=1e-12)
        for s in tu.new_sym_matrix_with_real_eigvals_nd((2, 3, 4, 4)).reshape(-1, 4, 4):
            numpy.testing.assert_allclose(s, s.T, atol=1e-12)
        matrices = tu.new_matrix_with_real_eigvals_nd((50, 5, 5))
        assert matrices.shape == (50, 5, 5)
        assert abs(numpy.linalg.eigvals(matrices).imag).max() < 1e-6 and abs(numpy.linalg.eigvals(matrices)).max() < 10.001
        assert numpy.linalg.cond(numpy.linalg.eig(matrices)[1]).max() < 100

    def test_references(self) -> None:
        x = numpy.arange(6).reshape(2, 3)
        assert tu.np_reduce(x, 1, True, numpy.sum).tolist() == [[3], [12]] and tu.np_reduce(x, None, False, numpy.max) == 5
        assert tu.np_reduce(x, (0, 1), True, numpy.sum).tolist() == [[15]]
        assert tu.collapse_sum_like(numpy.ones((2, 3, 4)), (3, 1)).tolist() == [[8]] * 3
        with pytest.raises(ArgumentError, match=r"broadcast to \(2, 3, 4\); got \(5, 4\)"):
            tu.collapse_sum_like(numpy.ones((2, 3, 4)), (5, 4))
        assert tu.assign_each(x, lambda v: 2 * v).tolist() == (2 * x).tolist() and tu.assign_each(x, None) is not x
        assert tu.assign_each2(x, x + 1, lambda v, w: v * w).tolist() == (x * (x + 1)).tolist()


class TestStatistics:
    def test_chi_square(self) -> None:
        rng = numpy.random.RandomState(0)
        buckets, probs = tu.gen_buckets_probs_with_ppf(lambda x: x, 4)
        assert (buckets, probs) == ([(0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1)], [0.25] * 4)
        assert min(tu.verify_generator(lambda n: rng.rand(n), buckets, probs, 2000, success_rate=0.8)) > 1e-3
        assert tu.verify_generator(lambda n: np.array(rng.randint(0, 3, n)), [0, 1, 2], [1 / 3] * 3, 2000)
        fails(tu.verify_generator, lambda n: rng.rand(n) ** 2, buckets, probs, 2000, match="passes 0 of 5 chi-square tests")
        p, hits, expected = tu.chi_square_check(lambda n: numpy.repeat([0, 1], [n // 4, n - n // 4]), [0, 1], [0.5, 0.5], 100)
        assert (hits.tolist(), expected.tolist()) == ([25, 75], [50, 50]) and p == pytest.approx(5.733e-7, rel=1e-3)

    @pytest.mark.parametrize(
        ("buckets", "probs", "message"),
        [
            ([0, 1], [1], "a probability for each bucket; got 1 for 2"),
            ([0, 1], [0.5, 0.5], "hold all numbers that are generated; got .* of 100 outside"),
            ([(0.0, 0.6), (0.5, 1.0)], [0.5, 0.5], "ascending order that do not overlap"),
        ],
    )
    def test_buckets_that_do_not_fit(self, buckets: Any, probs: Any, message: str) -> None:
        with pytest.raises(ArgumentError, match=message):
            tu.chi_square_check(lambda n: numpy.linspace(0.01, 0.99, n), buckets, probs, 100)

    def test_moments(self) -> None:
        rng = numpy.random.RandomState(0)
        assert tu.mean_check(lambda n: rng.normal(1, 2, n), 1, 2, 10000) and not tu.mean_check(lambda n: rng.normal(1.2, 2, n), 1, 2, 10000)
        assert tu.var_check(lambda n: rng.normal(1, 2, n), 2, 10000) and not tu.var_check(lambda n: rng.normal(1, 2.2, n), 2, 10000)


class Wrong(autograd.Function):
    """x², with a gradient that is not its own."""

    def forward(self, x: Any) -> Any:
        self.save_for_backward(x)
        return x * x

    def backward(self, dy: Any) -> Any:
        (x,) = self.saved_tensors
        return dy * x


class TestChecking:
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_gradients(self, dtype: str) -> None:
        x, y = numpy.random.RandomState(0).uniform(0.5, 2, (2, 2, 3))
        tu.check_numeric_gradient(lambda a, b: np.sin(a) * b / a, [x, y], dtype=dtype)
        tu.check_numeric_gradient(lambda a, b: (a * b).sum(axis=0), {"b": x, "a": y}, grad_nodes=["a"], dtype=dtype)
        fails(tu.check_numeric_gradient, lambda a: Wrong()(a), [x], dtype=dtype, match="numeric gradient of 0=")
        tu.check_numeric_gradient(lambda a, b: Wrong()(a) * b, [x, y], grad_nodes=[1], dtype=dtype)

    def test_a_block_and_its_mode(self) -> None:
        net = nn.Dense(3)
        net.initialize()
        tu.check_numeric_gradient(net, [numpy.random.RandomState(0).rand(2, 4)])
        modes: list[bool] = []

        def watched(x: Any) -> Any:
            modes.append(autograd.is_training())
            return x * 2

        tu.check_numeric_gradient(watched, [ONES], use_forward_train=False, dtype="float64")
        assert set(modes) == {False}

    def test_what_is_not_a_function(self) -> None:
        with pytest.raises(ArgumentError, match=r"a function of arrays, or a block; got a str"):
            tu.check_numeric_gradient("symbol", [ONES])  # type: ignore[arg-type]
        with pytest.raises(ArgumentError, match=r"grad_nodes of \[0\]; got 'x'"):
            tu.check_numeric_gradient(lambda x: x, [ONES], grad_nodes=["x"])

    def test_hybridized_or_not(self) -> None:
        class Both(hn.gluon.HybridBlock):
            """Another result when it is traced."""

            def __init__(self, odd: bool, **kwargs: Any) -> None:
                super().__init__(**kwargs)
                self.odd, self.inner = odd, nn.Dense(3)

            def forward(self, x: Any) -> Any:
                return self.inner(x) * (2 if self.odd and self._active else 1)

        x = np.array(numpy.random.RandomState(0).rand(2, 4))
        tu.check_gluon_hybridize_consistency(lambda **kwargs: Both(False, **kwargs), [x])
        fails(tu.check_gluon_hybridize_consistency, lambda **kwargs: Both(True, **kwargs), [x], match="not hybridized=")
        square = lambda **kwargs: nn.HybridLambda(lambda F, x: x * x, **kwargs)
        tu.check_gluon_hybridize_consistency(square, [x], numpy_func=lambda x: x**2, test_grad=False)
        fails(tu.check_gluon_hybridize_consistency, square, [x], numpy_func=lambda x: x**3, match="numpy_func=")

    def test_optimizers(self) -> None:
        make = hn.optimizer.create
        tu.compare_optimizer(make("sgd", momentum=0.9), make("sgd", momentum=0.9), (3, 2), "float32", ntensors=2)
        tu.compare_optimizer(make("adam"), make("adam"), [(3, 2), (2,)], "float16")
        fails(tu.compare_optimizer, make("sgd"), make("sgd", learning_rate=0.5), (3, 2), "float32", match="weight of opt1=")
        first, second = make("adam", beta2=0.9), make("adam", beta2=0.9)
        second.beta1 = 0.8  # the first step is the same, the state is not
        fails(tu.compare_optimizer, first, second, (3, 2), "float32", match="state of opt1=")
        tu.compare_optimizer(first, second, (3, 2), "float32", compare_states=False, rtol=1, atol=1)

    def test_one_memory(self) -> None:
        x = nd.array([1.0, 2.0])
        assert tu.same_array(x, x) and not tu.same_array(x, x.copy()) and not tu.same_array(x, nd.ones(3))
        assert x.asnumpy().tolist() == [1, 2]


class TestSurroundings:
    def test_context(self) -> None:
        assert tu.default_context() == hn.cpu(0) and tu.default_dtype() is numpy.float32
        with hn.cpu(0):
            tu.set_default_context(hn.cpu(1))
            assert tu.default_context() == hn.cpu(1) == np.ones(2).device
        assert tu.default_context() == hn.cpu(0)
        assert list(tu.list_gpus()) == list(range(hn.num_gpus())) and tu.is_op_runnable() and not tu.has_tvm_ops()

    def test_gpus(self, emulated_gpu: Any) -> None:
        assert list(tu.list_gpus()) == [0]

    def test_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HN_A", "old")
        monkeypatch.delenv("HN_B", raising=False)
        with tu.environment("HN_B", "3"):
            assert os.environ["HN_B"] == "3"
        with pytest.raises(KeyError), tu.environment({"HN_A": None, "HN_B": "2"}):
            assert ("HN_A" in os.environ, os.environ["HN_B"]) == (False, "2")
            raise KeyError
        assert (os.environ["HN_A"], "HN_B" in os.environ) == ("old", False)
        with pytest.raises(ArgumentError, match="a name and a value, or a dict of them"), tu.environment("HN_A"):
            pass
        with tu.environment("CD_JOB", "1"):
            assert tu.is_cd_run()

    def test_standard_error_goes_nowhere(self, capfd: pytest.CaptureFixture[str]) -> None:
        with tu.discard_stderr():
            os.write(2, b"from C")
            print("from Python", file=sys.stderr)
        os.write(2, b"after")
        assert capfd.readouterr().err == "after"

    def test_retry(self) -> None:
        calls: list[int] = []

        @tu.retry(3)
        def third_time(error: type[Exception]) -> str:
            calls.append(1)
            if len(calls) < 3:
                raise error
            return "done"

        assert third_time(AssertionError) == "done" and len(calls) == 3
        calls.clear()
        with pytest.raises(ValueError):
            third_time(ValueError)
        assert len(calls) == 1
        fails(tu.retry(2)(lambda: tu.assert_exception(int, ValueError)))
        with pytest.raises(ArgumentError):
            tu.retry(0)

    def test_assert_exception(self) -> None:
        tu.assert_exception(int, ValueError, "x", base=10)
        fails(tu.assert_exception, int, ValueError, "1", match="int raised nothing; expected ValueError")
        with pytest.raises(TypeError):
            tu.assert_exception(int, ValueError, [])


class TestData:
    @pytest.fixture(name="folder", autouse=True)
    def _folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(config, "home", str(tmp_path / "home"))
        yield tmp_path

    def mnist(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        pixels = (numpy.arange(5 * 784) % 256).astype(numpy.uint8)
        for part in ("train", "t10k"):
            (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(struct.pack(">4I", 2051, 5, 28, 28) + pixels.tobytes()))
            (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(struct.pack(">2I", 2049, 5) + bytes(range(5))))

    @pytest.mark.parametrize("where", [".", "home/datasets/mnist"])
    def test_mnist(self, folder: Path, where: str) -> None:
        self.mnist(folder / where)
        data = tu.get_mnist()
        assert sorted(data) == ["test_data", "test_label", "train_data", "train_label"]
        train = data["train_data"]
        assert (train.shape, train.dtype, train.max(), data["test_label"].dtype) == ((5, 1, 28, 28), numpy.float32, 1, numpy.int8)
        train_iter, test_iter = tu.get_mnist_iterator(2, (784,))
        assert train_iter.provide_data == [("data", (2, 784))] and len(list(test_iter)) == 2
        part = tu.get_mnist_iterator(2, (1, 28, 28), num_parts=2, part_index=1)[0]
        assert [batch.data[0].shape for batch in part] == [(2, 1, 28, 28)]
        assert sorted(os.listdir("data")) == [f"{p}-{k}-ubyte" for p in ("t10k", "train") for k in ("images-idx3", "labels-idx1")]

    def test_downloads(self, folder: Path) -> None:
        source = folder / "from"
        source.mkdir()
        (source / "a.txt").write_text("hello")
        with zipfile.ZipFile(source / "a.zip", "w") as archive:
            archive.writestr("x/a.txt", "hello")
            archive.writestr("../out.txt", "hello")
        (source / "a.bz2").write_bytes(bz2.compress(b"hello"))
        url = source.as_uri()
        assert tu.download(f"{url}/a.txt") == "a.txt" and tu.download(f"{url}/a.txt", "b.txt", "new") == os.path.join("new", "b.txt")
        tu.get_zip_data("zip", f"{url}/a.zip", "b.zip")
        assert (folder / "zip" / "x" / "a.txt").read_text() == "hello" and not (folder / "out.txt").exists()
        tu.get_bz2_data("bz", "a.t", f"{url}/a.bz2", "b.bz2")
        assert (folder / "bz" / "a.t").read_bytes() == b"hello" and os.listdir("bz") == ["a.t"]
        (source / "a.zip").write_bytes(b"nonsense")
        (source / "a.bz2").write_bytes(bz2.compress(b"hello" * 1000)[:-9])
        with pytest.raises(FileFormatError, match="a zip archive"):
            tu.get_zip_data("zip2", f"{url}/a.zip", "b.zip")
        with pytest.raises(FileFormatError, match="a whole bz2 file"):
            tu.get_bz2_data("bz2", "a.t", f"{url}/a.bz2", "b.bz2")
        assert os.listdir("bz2") == ["b.bz2"]

    def test_files_that_are_there_are_not_fetched(self, folder: Path) -> None:
        (folder / "data" / "cifar").mkdir(parents=True)
        for name in ("train.rec", "test.rec", "train.lst", "test.lst"):
            (folder / "data" / "cifar" / name).write_bytes(b"")
        (folder / "data" / "mnist.pkl.gz").write_bytes(b"")
        tu.get_cifar10(), tu.get_mnist_pkl()

    def test_the_tool_for_records(self) -> None:
        assert Path(tu.get_im2rec_path()).is_file()

    def test_the_first_batch_for_ever(self) -> None:
        it = tu.DummyIter(hn.io.NDArrayIter(numpy.arange(4), None, 2))
        assert [next(it).data[0].asnumpy().tolist() for _ in range(3)] == [[0, 1]] * 3
        assert (it.provide_data, it.batch_size) == ([("data", (2,))], 2)
