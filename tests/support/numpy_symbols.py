"""Calls of ``sym.np`` and ``sym.npx``, as expressions over a few variables, which both libraries are given. Relies on NumPy alone."""

from __future__ import annotations

from typing import Any

import numpy as np

#: The variables: shapes, and dtypes where they are not float32.
SHAPES = {"x": (2, 3), "y": (2, 3), "p": (2, 3), "r": (3,), "q": (4, 4), "i": (2, 3), "j": (3,), "s": (), "c": (2, 3, 4, 4), "t": (2, 3, 4)}
TYPES = {"i": "int32", "j": "int64"}

_UNARY = """
    abs absolute cbrt ceil cos cosh deg2rad degrees exp expm1 fabs fix floor isfinite isinf isnan isneginf isposinf logical_not
    negative rad2deg radians rint sign sin sinh square tan tanh trunc arctan arcsinh
"""
_POSITIVE = "log log10 log1p log2 reciprocal sqrt arcsin arccos arctanh"
_BINARY = """
    add subtract multiply divide true_divide mod remainder power maximum minimum hypot arctan2 copysign ldexp equal not_equal greater
    greater_equal less less_equal
"""
_WHOLE = "bitwise_and bitwise_or bitwise_xor lcm"

_OTHERS = """
    np.bitwise_not(i); np.invert(i); np.add(i, x); np.multiply(i, 2); np.true_divide(i, i + 1); np.true_divide(i, 2); x + y; x + 2;
    2 + x; x - y; x - 2; 2 - x; x * y; x * 2.5; 3 * x; x / p; x / 2; 2 / p; p % 2; 2 % p; p % p; p ** 2; 2 ** x; p ** y; -x; x == y;
    x != 1; x > 0; x >= y; x < 0.5; x <= y; x[0]; x[1:2]; x[:, 1]; x[0, 1]; t[0, 1:3]; t[1, :, 2]; t[:, ::2]; x.T;
    x.astype('float64'); q.dot(q); x.reshape(3, 2); x.reshape((3, 2)); x.reshape(-1); x.argmax(); x.argmax(axis=1); x.argmin(axis=0);
    x.repeat(2); x.repeat(2, axis=1); x.swapaxes(0, 1); x.take(j, axis=1, mode='clip'); x.sort(); x.argsort(axis=0); x.clip(-1, 1);
    x.flatten(); x.transpose(); t.transpose(2, 0, 1); x.sum(); x.sum(axis=1); x.sum(axis=(0, 1), keepdims=True); x.prod(axis=1);
    x.mean(); x.mean(axis=0); x.std(); x.std(axis=1, ddof=1); x.var(axis=0); x.cumsum(); x.cumsum(axis=1); x.max(); x.max(axis=1);
    x.min(axis=0, keepdims=True); x.round(1); np.expand_dims(x, 0).squeeze(); x.as_nd_ndarray().as_np_ndarray();
    np.reshape(x, (3, 2)); np.reshape(x, (-1,)); np.reshape(x, -1); np.transpose(t); np.transpose(t, (1, 0, 2));
    np.squeeze(np.expand_dims(x, 1)); np.squeeze(np.expand_dims(x, 1), axis=1); np.expand_dims(x, -1); np.broadcast_to(r, (2, 3));
    np.moveaxis(t, 0, 2); np.moveaxis(t, (0, 1), (1, 0)); np.swapaxes(t, 0, 2); np.ravel(x); np.flip(x); np.flip(x, 0);
    np.flip(x, (0, 1)); np.fliplr(x); np.flipud(x); np.rot90(x); np.rot90(x, 2, (0, 1)); np.roll(x, 1); np.roll(x, 1, axis=0);
    np.roll(x, (1, 2), axis=(0, 1)); np.tile(x, 2); np.tile(x, (2, 1, 2)); np.repeat(x, 2); np.repeat(x, 2, axis=0);
    np.resize(x, (4, 3)); np.pad(x, ((1, 1), (0, 2))); np.pad(x, ((1, 1), (0, 2)), mode='constant', constant_values=3);
    np.pad(x, ((1, 1), (1, 1)), mode='reflect'); np.pad(x, ((1, 1), (0, 2)), mode='edge'); np.concatenate([x, y]);
    np.concatenate((x, y), axis=1); np.concatenate([x, y], axis=None); np.append(x, y); np.append(x, y, axis=0); np.stack([x, y]);
    np.stack([x, y], axis=-1); np.vstack([x, y]); np.row_stack([x, r]); np.hstack([x, y]); np.hstack([r, r]); np.dstack([x, y]);
    np.column_stack([x, y]); np.column_stack([r, r]); np.split(x, 3, axis=1); np.split(q, (1, 3)); np.array_split(q, 3);
    np.array_split(q, (1, 3), axis=1); np.hsplit(q, 2); np.hsplit(q, (1, 2)); np.vsplit(q, 2); np.dsplit(t, 2); np.atleast_1d(s);
    np.atleast_2d(r); np.atleast_3d(x); np.copy(x); np.diag(r); np.diag(q, k=1); np.diagflat(r); np.diagonal(q);
    np.diagonal(t, 1, 0, 2); np.trace(q); np.trace(t, 0, 1, 2); np.tril(q); np.tril(q, -1); np.diag_indices_from(q);
    np.insert(r, 1, 5); np.insert(x, 1, y, axis=0); np.delete(r, 1); np.delete(x, slice(0, 1), axis=0); np.sum(x); np.sum(x, axis=0);
    np.sum(x, axis=(0, 1)); np.sum(x, axis=1, keepdims=True); np.sum(x, axis=1, dtype='float64'); np.sum(i); np.prod(x);
    np.prod(x, axis=1); np.product(x, axis=0); np.mean(x); np.mean(x, axis=1, keepdims=True); np.mean(i); np.std(x);
    np.std(x, axis=0); np.var(x, ddof=1); np.var(x, axis=1, keepdims=True); np.max(x); np.max(x, axis=1); np.amax(x, axis=0);
    np.min(x); np.min(x, axis=(0, 1)); np.amin(x, axis=1); np.all(x); np.all(x, axis=1); np.any(x, axis=0); np.sometrue(x);
    np.argmax(x); np.argmax(x, axis=1); np.argmin(x, axis=0); np.cumsum(x); np.cumsum(x, axis=0); np.diff(x); np.diff(x, 2, 1);
    np.ediff1d(x); np.ediff1d(x, to_end=1, to_begin=2); np.average(x); np.average(x, axis=1); np.average(x, axis=0, weights=p);
    np.percentile(x, 30); np.percentile(x, 30, axis=1); np.quantile(x, 0.3); np.quantile(x, r, axis=0); np.bincount(j);
    np.bincount(j, minlength=9); np.histogram(x, 4, range=(0, 1)); np.polyval(r, x); np.sort(x); np.sort(x, axis=0); np.argsort(x);
    np.unravel_index(j, (2, 3)); np.take(x, j, axis=1, mode='clip'); np.take(x, j, mode='wrap'); np.where(x > 0, x, y);
    np.where(x > 0, x, 0); np.where(x > 0, 1, y); np.clip(x, 0, 1); np.nan_to_num(x); np.around(x); np.round(x, 1); np.round_(x, 1);
    np.dot(q, q); np.dot(x, r); np.matmul(q, q); np.matmul(c, c); np.inner(r, r); np.outer(r, r); np.vdot(x, y); np.tensordot(q, q);
    np.tensordot(q, q, 1); np.tensordot(x, y, axes=((0,), (0,))); np.einsum('ij,kj->ik', x, y);
    np.linalg.cholesky(np.matmul(q, np.transpose(q)) + np.eye(4)); np.linalg.det(q); np.linalg.inv(q); np.linalg.norm(x);
    np.linalg.norm(x, axis=1); np.linalg.norm(x, ord='fro'); np.linalg.norm(x, 1, 0); np.linalg.pinv(x); np.linalg.slogdet(q);
    np.linalg.solve(q, q); np.linalg.svd(x); np.linalg.eigvalsh(q); np.linalg.eigh(q); np.linalg.eig(q); np.linalg.eigvals(q);
    np.linalg.tensorinv(np.reshape(q, (2, 2, 2, 2))); np.linalg.tensorsolve(q, np.reshape(p, (6,))[0:4]); np.zeros((2, 3));
    np.zeros(3, dtype='int32'); np.ones((2,)); np.full((2, 3), 7); np.arange(4); np.arange(1, 7, 2); np.eye(3); np.eye(3, 4, 1);
    np.identity(3); np.linspace(0, 1, 5); np.linspace(0, 1, 5, endpoint=False); np.logspace(0, 2, 3); np.hanning(5); np.hamming(5);
    np.blackman(5); np.indices((2, 3)); np.zeros_like(x); np.ones_like(x); np.full_like(x, 4); np.empty_like(x); npx.relu(x);
    npx.sigmoid(x); npx.activation(x, act_type='tanh'); npx.softmax(x); npx.softmax(x, axis=0); npx.log_softmax(x, axis=-1);
    npx.fully_connected(x, num_hidden=4); npx.fully_connected(t, num_hidden=2, flatten=False, no_bias=True);
    npx.convolution(c, kernel=(3, 3), num_filter=2); npx.deconvolution(c, kernel=(2, 2), num_filter=2, no_bias=True);
    npx.pooling(c, kernel=(2, 2), stride=(2, 2), pool_type='max'); npx.pooling(c, global_pool=True, pool_type='avg');
    npx.batch_norm(c); npx.layer_norm(x); npx.dropout(x, p=0.5); npx.embedding(j, input_dim=5, output_dim=2); npx.one_hot(j, 4);
    npx.pick(x, r); npx.topk(x, k=2); npx.topk(x, k=2, ret_typ='both'); npx.gamma(p); npx.gammaln(p); npx.erf(x);
    npx.erfinv(np.tanh(x)); npx.batch_dot(c, c); npx.batch_dot(t, t, transpose_b=True); npx.batch_flatten(c);
    npx.leaky_relu(x, slope=0.1); npx.leaky_relu(x, act_type='elu'); npx.reshape(t, (-2, -1)); npx.reshape(t, (-5, 4));
    npx.reshape_like(x, np.reshape(y, (3, 2))); npx.slice(x, begin=(0, 1), end=(2, 3)); npx.smooth_l1(x, scalar=1.0);
    npx.gather_nd(x, i); npx.sequence_mask(t, use_sequence_length=False); npx.shape_array(x); npx.arange_like(x, axis=1);
    npx.cast(x, dtype='float16'); npx.multibox_prior(c, sizes=(0.5,)); npx.rnn(t, mode='lstm', state_size=2, num_layers=1);
    npx.roi_pooling(c, np.zeros((1, 5)), pooled_size=(2, 2), spatial_scale=1.0); np.random.uniform(size=(2, 3));
    np.random.uniform(x, p); np.random.uniform(0, p); np.random.normal(0, 1, (2, 3)); np.random.normal(x, 1.0);
    np.random.randint(0, 5, (2, 3)); np.random.gamma(p, size=(2, 3)); np.random.gamma(2.0, 1.0, (2,));
    np.random.exponential(2.0, (2,)); np.random.exponential(p); np.random.gumbel(0, 1, (2,)); np.random.logistic(0, 1, (2,));
    np.random.lognormal(0, 1, (2,)); np.random.rayleigh(1.0, (2,)); np.random.weibull(1.0, (2,)); np.random.pareto(1.0, (2,));
    np.random.power(1.0, (2,)); np.random.beta(1.0, 2.0, (2,)); np.random.chisquare(2.0, (2,)); np.random.rand(2, 3);
    np.random.choice(5, 3); np.random.shuffle(x); npx.random.bernoulli(prob=0.5, size=(2, 3)); npx.random.bernoulli(logit=x);
    npx.random.uniform_n(0.0, 1.0, (2,)); npx.random.normal_n(x, 1.0, (2,))
"""

CALLS: list[str] = [
    *(f"np.{name}(x)" for name in _UNARY.split()),
    *(f"np.{name}(p)" for name in _POSITIVE.split()),
    "np.arccosh(p + 1)",
    *(f"np.{name}({a}, {b})" for name in _BINARY.split() for a, b in (("p", "y"), ("p", "2"), ("p", "1.5"), ("r", "p"))),
    *(f"np.{name}(2, p)" for name in _BINARY.split()),
    *(f"np.{name}({b})" for name in _WHOLE.split() for b in ("i, i", "i, 6", "6, i")),
    *" ".join(_OTHERS.split()).split("; "),
]

#: Calls whose values are random.
DRAWN = ("random.", "dropout", "leaky_relu(x, act_type='rrelu'")


def values(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """An array for a variable: of integers for those that are, positive and below 1 for ``p`` and ``r``, near a diagonal for ``q``."""
    rng = np.random.RandomState(sum(map(ord, name)) + sum(shape))
    if name in TYPES:
        return (np.arange(int(np.prod(shape))) % 3).reshape(shape).astype(TYPES[name])
    x = rng.uniform(0.2, 0.9, shape)
    if name == "q":
        x = x * 0.1 + np.diag([1.0, 2.0, 3.0, 4.0])
        x = (x + x.T) / 2
    return np.asarray(x if name in ("p", "q", "r") or len(name) > 1 else x - 0.5, np.float32)


def variables(sym: Any) -> dict[str, Any]:
    """What the expressions are evaluated with: the variables, ``np`` and ``npx``."""
    return {**{name: sym.var(name).as_np_ndarray() for name in SHAPES}, "np": sym.np, "npx": sym.npx}


def made(sym: Any, call: str) -> Any:
    """The symbol of a call; of several outputs one symbol."""
    found = eval(call, variables(sym))
    return sym.Group(list(found)) if isinstance(found, (list, tuple)) else found


def known(symbol: Any) -> dict[str, tuple[int, ...]]:
    """The shapes of the variables that it has."""
    return {name: SHAPES[name] for name in symbol.list_arguments() if name in SHAPES}
