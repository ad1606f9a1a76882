"""Complex arrays through ``np`` and ``nd``: against NumPy, eagerly and compiled; PyTorch's gradients; how they look and are saved."""

import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hybridnet as hn
from hybridnet import autograd, gluon, nd, npx
from hybridnet import np as hnp
from hybridnet.errors import ArgumentError, AutogradError, DtypeError

_rng = np.random.default_rng(0)
A = (_rng.normal(size=(3, 4)) + 1j * _rng.normal(size=(3, 4))).astype("complex64")
B = (A.T * (1.5 - 0.5j)).astype("complex64")
R = _rng.normal(size=(3, 4)).astype("float32")

CALLS: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "arithmetic": lambda n, a, b, r: (a + r) * (2 - 1j) / (a - 3.5) - 1j * a,
    "reflected": lambda n, a, b, r: (1j - r) / (2 + a) + 2**a,
    "powers": lambda n, a, b, r: a**3 + a**2.5 + a ** (1 + 2j) + r ** (1j * r) ** 2,
    "exponentials": lambda n, a, b, r: n.exp(a) + n.expm1(a) + n.exp2(a) + n.log(a) + n.log1p(a) + n.log2(a) + n.log10(a) + n.sqrt(a),
    "trigonometric": lambda n, a, b, r: n.sin(a) + n.cos(a) + n.tan(a) + n.arcsin(a) + n.arccos(a) + n.arctan(a),
    "hyperbolic": lambda n, a, b, r: n.sinh(a) + n.cosh(a) + n.tanh(a) + n.arcsinh(a) + n.arccosh(a) + n.arctanh(a),
    "parts": lambda n, a, b, r: n.abs(a) + n.angle(a) + n.real(a) * n.imag(a) + n.angle(a.conj(), deg=True),
    "signs": lambda n, a, b, r: n.sign(a * (n.abs(a) > 1)),
    "comparisons": lambda n, a, b, r: (a == a.conj()) | (a != r) & n.isfinite(a / n.where(r > 0, r, 0 * r)),
    "reductions": lambda n, a, b, r: n.sum(a, 1) + n.mean(a, 1) + n.prod(a, 1) + n.var(a, 1) + n.std(a, 1),
    "running": lambda n, a, b, r: n.cumsum(a, 1) + n.cumprod(a, 0) + n.diff(n.concatenate([a, a[:1]]), axis=0),
    "products": lambda n, a, b, r: a @ b + n.dot(a, b) + n.einsum("ij,jk->ik", a, b) + n.tensordot(a, b, 1) + r @ b,
    "vectors": lambda n, a, b, r: n.vdot(a, a) + n.inner(a[0], a[1]) + n.outer(a[0], a[1]).sum() + n.kron(a, b).sum(),
    "indexing": lambda n, a, b, r: a[1:, ::2] + a[[0, 2]][:, [1, 3]] + n.take(a, n.array([1, 0]).astype("int32"), 1)[:2],
    "shapes": lambda n, a, b, r: n.stack([a.reshape(4, 3), b], 1).transpose(2, 0, 1)[::-1] + n.pad(b, 0)[0, 0],
    "choices": lambda n, a, b, r: n.where(r > 0, a, r) + n.where(n.abs(a) > 1, 0, a) + n.tril(a) + n.roll(a, 1, 1),
    "rounding": lambda n, a, b, r: n.around(a, 1) + n.nan_to_num(a / n.where(r > 0, r, 0 * r)).real * 0,
    "statistics": lambda n, a, b, r: n.average(a, 0) + n.nansum(a, 0) + n.trapezoid(a.T) .sum(),
    "matrices": lambda n, a, b, r: n.linalg.inv(a @ b) + n.linalg.solve(a @ b, a[:, :3]) + n.linalg.matrix_power(a[:, :3], 2),
    "numbers of matrices": lambda n, a, b, r: n.linalg.det(a @ b) + n.linalg.norm(a) + n.linalg.slogdet(a[:, :3])[0] + n.trace(a @ b),
    "spectra": lambda n, a, b, r: n.linalg.svd(a, compute_uv=False) + n.linalg.eigvalsh(a[:, :3] + a[:, :3].conj().T),
    "counting": lambda n, a, b, r: n.count_nonzero(a - a * (r > 0)) + n.any(a).astype("int64"),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
def test_against_numpy(name: str) -> None:
    call = CALLS[name]
    expected = np.asarray(call(np, A, B, R))
    arrays = [hnp.array(x) for x in (A, B, R)]
    for y in (call(hnp, *arrays), hn.jit(lambda *xs: call(hnp, *xs))(*arrays)):
        assert y.dtype.kind == expected.dtype.kind
        np.testing.assert_allclose(y.asnumpy(), expected, rtol=2e-3, atol=2e-3)


def test_types() -> None:
    z = hnp.array([1 + 2j])
    assert z.dtype == hnp.complex64 == (hnp.ones(2) * 1j).dtype == (hnp.ones(2, dtype="int32") + 1j).dtype
    assert (hnp.ones(2, dtype="float64") * z).dtype == hnp.complex128 == (hnp.ones(1, dtype="float64") + 1j).dtype
    assert (hnp.ones(2, dtype="int64") * z).dtype == (z * 2.5).dtype == (hnp.ones(2, dtype="float16") * z).dtype == hnp.complex64
    assert (
        hnp.abs(z).dtype == z.real.dtype == z.imag.dtype == hnp.float32 and hnp.full((2,), 1j, dtype="complex128").dtype == hnp.complex128
    )
    assert (z.item(), complex(z), z.tolist()) == (1 + 2j, 1 + 2j, [1 + 2j])
    assert hnp.iscomplexobj(z) and not hnp.iscomplexobj(z.real)


def test_casts() -> None:
    z = hnp.array([1 + 2j, 0])
    with pytest.warns(np.exceptions.ComplexWarning, match="imaginary parts are dropped"):
        assert z.astype("float32").tolist() == [1, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert z.astype("bool").tolist() == [True, False]
        assert z.astype("complex128").astype("complex64").tolist() == z.tolist()
        assert hnp.array([1.5]).astype("complex64").tolist() == [1.5]
    for write in (lambda: hnp.ones(2).__setitem__(0, 1j), lambda: hnp.ones(2).__iadd__(z)):
        with pytest.raises(DtypeError, match="values that float32 holds"):
            write()
    x = hnp.zeros(2, dtype="complex64")
    x[0], x[1] = 2j, 3
    x += 1
    assert x.tolist() == [1 + 2j, 4]


def test_gradients_are_pytorchs() -> None:
    """As PyTorch 2 gave them; the real operand's is real."""
    z, w = hnp.array([1 + 2j, 3 - 1j]), hnp.array([2.0, 3.0])
    z.attach_grad()
    w.attach_grad()
    with autograd.record():
        y = hnp.abs(hnp.exp(z * w).sum() * hnp.sqrt(z)).sum()
    y.backward()
    np.testing.assert_allclose(z.grad.asnumpy(), [1249.0181 + 2393.2917j, 81742.3594 - 673.3287j], rtol=1e-4)
    np.testing.assert_allclose(w.grad.asnumpy(), [-1.3516e01, 7.9564e04], rtol=1e-3)
    assert (z.grad.dtype, w.grad.dtype) == (hnp.complex64, hnp.float32)


def test_a_complex_head_needs_a_gradient() -> None:
    z = hnp.array([1 + 2j])
    z.attach_grad()
    with autograd.record():
        y = z * (2 + 1j)
    with pytest.raises(AutogradError, match="a real head, or a head gradient"):
        y.backward()
    with autograd.record():
        y = z * (2 + 1j)
    y.backward(hnp.array([1j]))
    assert z.grad.tolist() == [1j * (2 - 1j)]


def test_what_has_no_order_is_refused_by_name() -> None:
    z = hnp.array([1 + 2j])
    for name, call in (
        ("less", lambda: z < z),
        ("maximum", lambda: hnp.maximum(z, 0)),
        ("floor", lambda: hnp.floor(z)),
        ("argsort", lambda: hnp.sort(z)),
        ("argmax", lambda: hnp.argmax(z)),
        ("clip", lambda: hnp.clip(z, 0, 1)),
        ("cbrt", lambda: hnp.cbrt(z)),
        ("mod", lambda: z % 2),
        ("mod", lambda: hnp.ones(2) % 2j),
    ):
        with pytest.raises(DtypeError, match=rf"^\[{name}\] expected real numbers; got .*(complex|2j)"):
            call()


def test_looks_and_files() -> None:
    z = hnp.array([[1 + 2j, 3]])
    assert repr(z) == "array([[1.+2.j, 3.+0.j]])" and str(z) == "[[1.+2.j 3.+0.j]]"
    assert repr(z.astype("complex128")) == "array([[1.+2.j, 3.+0.j]], dtype=complex128)"
    with pytest.raises(ArgumentError, match=r"got complex64.*np\.save or np\.savez, pickle, or a name that ends in \.safetensors"):
        nd.save("never", {"z": z})


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_files_and_pickles_keep_them(tmp_path: Path, dtype: str) -> None:
    z = hnp.array([[1 + 2j, -0.0], [complex(np.inf, np.nan), 3]]).astype(dtype)
    hnp.save(tmp_path / "z.npy", z)
    hnp.savez(tmp_path / "z.npz", z=z)
    hnp.savez_compressed(tmp_path / "small.npz", z=z)
    found = [hnp.load(tmp_path / "z.npy"), *(hnp.load(tmp_path / name)["z"] for name in ("z.npz", "small.npz"))]
    found += [pickle.loads(pickle.dumps(x)) for x in (z, z.as_nd_ndarray())]
    if dtype == "complex64":
        for save, load in ((nd.save, nd.load), (npx.save, npx.load)):
            save(str(tmp_path / "z.safetensors"), {"z": z})
            found.append(load(str(tmp_path / "z.safetensors"))["z"])
    else:
        with pytest.raises(ArgumentError, match=r"got complex128 in 'z'.*complex64.*np\.savez"):
            nd.save(str(tmp_path / "z.safetensors"), {"z": z})
    for y in found:
        assert y.dtype == np.dtype(dtype) and y.asnumpy().tobytes() == z.asnumpy().tobytes()


class _Filter(gluon.HybridBlock):
    """A complex factor for each of two channels."""

    def __init__(self, dtype: str = "complex64") -> None:
        super().__init__()
        self.factor = gluon.Parameter("factor", shape=(2,), dtype=dtype, init=hn.init.One())

    def forward(self, x: Any) -> Any:
        return x * self.factor.data()


def test_complex_parameters_are_trained_saved_and_loaded(tmp_path: Path) -> None:
    x, target = hnp.array([[1 + 2j, 1 - 1j]]), hnp.array([[1j, 2]])
    net = _Filter()
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.05, "momentum": 0.5})

    @hn.jit
    def step() -> Any:
        with autograd.record():
            loss = (hnp.abs(net(x) - target) ** 2).sum()
        loss.backward()
        trainer.step(1)
        return loss

    assert [step().item() for _ in range(60)][-1] < 1e-6
    net.save_parameters(str(tmp_path / "net.safetensors"))
    again = _Filter()
    again.load_parameters(str(tmp_path / "net.safetensors"))
    assert again.factor.data().tolist() == net.factor.data().tolist()
    with pytest.raises(ArgumentError, match=r"got complex64.*safetensors"):
        net.save_parameters(str(tmp_path / "net.params"))


def test_an_optimizer_whose_rule_is_none_for_complex_numbers_says_so() -> None:
    for name in ("adam", "rmsprop", "adagrad", "lars", "ftrl", "signum"):
        net = _Filter()
        net.initialize()
        trainer = gluon.Trainer(net.collect_params(), name)
        with autograd.record():
            loss = hnp.abs(net(hnp.array([[1j, 2]]))).sum()
        loss.backward()
        with pytest.raises(DtypeError, match=r"expected weights of real numbers; got complex64.*sgd"):
            trainer.step(1)


def test_the_classic_vocabulary_computes_with_them() -> None:
    z = nd.array([1 + 2j, 3])
    z.attach_grad()
    with autograd.record():
        y = abs(2j * z - 1).sum()
    y.backward()
    assert type(z.grad) is nd.NDArray and z.dtype is np.complex64
    values = 2j * np.array([1 + 2j, 3]) - 1
    np.testing.assert_allclose(z.grad.asnumpy(), values / abs(values) * -2j, rtol=1e-5)
    assert (z == z).dtype is np.float32 and (nd.array([1, 2], dtype="int32") * 1j).dtype is np.complex64
