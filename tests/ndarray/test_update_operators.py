"""Update operators as programs call them: in place by ``out``, in lists, under recording; their numbers are held in test_mxnet_calls.py."""

import numpy
import pytest

from hybridnet import autograd, nd
from hybridnet.errors import ArgumentError


def _arrays(count: int, dtype: str = "float32") -> list[nd.NDArray]:
    random = numpy.random.default_rng(count)
    return [nd.array(random.uniform(0.5, 1.5, (2, 3)), dtype=dtype) for _ in range(count)]


def test_the_weight_is_written_by_out_alone_and_states_always() -> None:
    weight, grad, mom = _arrays(3)
    before, moved = weight.asnumpy(), mom.asnumpy()
    made = nd.sgd_mom_update(weight, grad, mom, lr=0.1, momentum=0.9)
    assert weight.asnumpy().tolist() == before.tolist()
    assert mom.asnumpy().tolist() != moved.tolist()
    mom[:] = nd.array(moved)
    assert nd.sgd_mom_update(weight, grad, mom, lr=0.1, momentum=0.9, out=weight) is weight
    assert weight.tolist() == made.tolist()


def test_a_weight_that_is_a_variable_is_updated_while_nothing_of_it_is_recorded() -> None:
    weight, grad, mean, var = _arrays(4)
    weight.attach_grad()
    with autograd.record():
        made = nd.adam_update(weight, grad, mean, var, lr=0.1)
    assert made._tape is None
    nd.adam_update(weight, grad, mean, var, lr=0.1, out=weight)
    assert weight.shape == (2, 3)


def test_mixed_precision_steps_that_float16_would_lose() -> None:
    master = nd.ones((2,))
    weight, grad = master.astype("float16"), nd.ones((2,), dtype="float16")
    for _ in range(10):
        nd.mp_sgd_update(weight, grad, master, lr=1e-4, out=weight)
    numpy.testing.assert_allclose(master.asnumpy(), 0.999, rtol=1e-6)
    assert weight.asnumpy()[0] == numpy.float16(0.999)


@pytest.mark.parametrize("preloaded", [False, True])
def test_many_weights_are_updated_as_each_alone(preloaded: bool) -> None:
    a, b = _arrays(3), _arrays(3)
    alone = [nd.sgd_mom_update(*(x.copy() for x in part), lr=lr, wd=wd, momentum=0.9) for part, lr, wd in ((a, 0.1, 0.0), (b, 0.2, 0.1))]
    if preloaded:
        rates = nd.array([0.1, 0.2]), nd.array([0.0, 0.1])
        found = nd.preloaded_multi_sgd_mom_update(*a, *b, *rates, momentum=0.9, num_weights=2, out=[a[0], b[0]])
    else:
        found = nd.multi_sgd_mom_update(*a, *b, lrs=(0.1, 0.2), wds=(0.0, 0.1), momentum=0.9, num_weights=2, out=[a[0], b[0]])
    assert found[1] is b[0]
    for y, expected in zip(found, alone, strict=True):
        numpy.testing.assert_allclose(y.asnumpy(), expected.asnumpy(), rtol=1e-6)


@pytest.mark.parametrize("mixed", [False, True])
def test_lists_of_arrays(mixed: bool) -> None:
    dtype = "float16" if mixed else "float32"
    weights, grads, means, variances = ([x] for x in _arrays(4, dtype))
    masters = [[weights[0].astype("float32")]] if mixed else []
    mean, var = means[0].astype("float32"), variances[0].astype("float32")
    mp = "mp_" if mixed else ""
    alone = getattr(nd.contrib, f"{mp}adamw_update")(
        weights[0], grads[0], mean.copy(), var.copy(), *(m[0].copy() for m in masters), 0.5, lr=0.1, eta=1.0
    )
    many = getattr(nd.contrib, f"multi_{mp}adamw_update")(
        weights, grads, [mean.copy()], [var.copy()], *masters, nd.array([0.5]), lrs=(0.1,), wds=(0.0,), etas=(1.0,)
    )
    assert many[0].tolist() == alone.tolist()
    lamb = getattr(nd.contrib, f"multi_{mp}lamb_update")
    made = lamb(weights, grads, [mean], [var], *masters, step_count=(1,), lrs=(0.1,), wds=(0.0,), out=weights)
    assert made[0] is weights[0]


@pytest.mark.parametrize("scale", [0.0, float("nan"), float("inf")])
def test_adamw_leaves_all_alone_where_gradients_overflowed(scale: float) -> None:
    arrays = _arrays(4)
    before = [x.tolist() for x in arrays]
    made = nd.contrib.adamw_update(*arrays, scale, lr=0.1, eta=1.0, wd=0.1)
    assert made.tolist() == before[0]
    assert [x.tolist() for x in arrays] == before


def test_refusals_say_how_many() -> None:
    a = _arrays(2)
    with pytest.raises(ArgumentError, match=r"\[multi_sgd_update\] expected 2 arrays for each of 2 weights; got 2"):
        nd.multi_sgd_update(*a, lrs=(0.1, 0.1), wds=(0, 0), num_weights=2)
    with pytest.raises(ArgumentError, match="lrs: one for each of 1 weights; got 2"):
        nd.multi_sgd_update(*a, lrs=(0.1, 0.1), wds=(0,), num_weights=1)


def test_all_are_reset() -> None:
    a, b = _arrays(2)
    a[0, 0] = float("nan")
    nd.reset_arrays(a, b, num_arrays=2)
    assert not a.asnumpy().any()
    assert not b.asnumpy().any()
