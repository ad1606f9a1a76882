"""Losses against the values that MXNet 1.9.1 gives, and the helpers of training loops."""

import json
from typing import Any

import numpy
import pytest
from support.gluon_blocks import sample
from support.paths import DATA

import hybridnet as hn
from hybridnet import autograd, gluon, np
from hybridnet.errors import ArgumentError, ShapeError


@pytest.fixture(autouse=True)
def seeded() -> None:
    hn.random.seed(7)


def loss_cases() -> dict[str, tuple[Any, tuple[Any, ...]]]:
    """The inputs from which MXNet's values in the data file were computed."""
    rng = numpy.random.RandomState(0)
    p, label = rng.randn(3, 4).astype("float32"), rng.randn(3, 4).astype("float32")
    classes, one_hot = numpy.array([1, 3, 0], "float32"), numpy.eye(4, dtype="float32")[[1, 3, 0]]
    b = (rng.rand(3, 4) > 0.5).astype("float32")
    sign, sw, pw, pr = 2 * b - 1, numpy.array([[1.0], [2.0], [0.5]], "float32"), numpy.array([[2.0]], "float32"), 1 / (1 + numpy.exp(-p))
    p3, c3 = rng.randn(2, 3, 4).astype("float32"), numpy.array([[0, 1, 3], [2, 2, 1]], "float32")
    n, y1 = rng.randn(3, 4).astype("float32"), numpy.array([1, -1, 1], "float32")
    lp = numpy.log(numpy.exp(p) / numpy.exp(p).sum(1, keepdims=True))
    q, pc = numpy.abs(label) / numpy.abs(label).sum(1, keepdims=True), rng.poisson(3, (3, 4)).astype("float32")
    p4, c4 = rng.randn(2, 4, 3, 3).astype("float32"), rng.randint(0, 4, (2, 3, 3)).astype("float32")
    loss = gluon.loss
    return {
        "sce": (loss.SoftmaxCrossEntropyLoss(), (p, classes)),
        "sce_w": (loss.SoftmaxCELoss(weight=2.0), (p, classes, sw)),
        "sce_dense": (loss.SoftmaxCELoss(sparse_label=False), (p, one_hot, sw)),
        "sce_logits": (loss.SoftmaxCELoss(from_logits=True), (lp, classes)),
        "sce_3": (loss.SoftmaxCELoss(), (p3, c3)),
        "sce_ax1": (loss.SoftmaxCELoss(axis=1), (p4, c4)),
        "sce_ax1d": (loss.SoftmaxCELoss(axis=1, from_logits=True), (p4, c4)),
        "sce_col": (loss.SoftmaxCELoss(), (p, classes[:, None])),
        "bce": (loss.SigmoidBinaryCrossEntropyLoss(), (p, b)),
        "bce_sw": (loss.SigmoidBCELoss(), (p, b, sw)),
        "bce_pw": (loss.SigmoidBCELoss(), (p, b, sw, pw)),
        "bce_fs": (loss.SigmoidBCELoss(from_sigmoid=True), (pr, b)),
        "bce_fs_pw": (loss.SigmoidBCELoss(from_sigmoid=True), (pr, b, sw, pw)),
        "l1": (loss.L1Loss(), (p, label)),
        "l1w": (loss.L1Loss(weight=3.0, batch_axis=1), (p, label)),
        "l2": (loss.L2Loss(), (p, label, sw)),
        "l2r": (loss.L2Loss(), (p, label.reshape(4, 3))),
        "hub": (loss.HuberLoss(rho=0.7), (p, label)),
        "hinge": (loss.HingeLoss(), (p, sign)),
        "sqh": (loss.SquaredHingeLoss(margin=2), (p, sign, sw)),
        "log": (loss.LogisticLoss(), (p, sign)),
        "logb": (loss.LogisticLoss(label_format="binary"), (p, b)),
        "kl": (loss.KLDivLoss(), (lp, q)),
        "kl2": (loss.KLDivLoss(from_logits=False), (p, q)),
        "cos": (loss.CosineEmbeddingLoss(margin=0.1), (p, label, y1)),
        "trip": (loss.TripletLoss(), (p, label, n)),
        "pois": (loss.PoissonNLLLoss(), (p, pc)),
        "cosw": (loss.CosineEmbeddingLoss(), (p, label, y1, sw[:, 0])),
    }


@pytest.mark.parametrize("hybrid", [False, True], ids=["imperative", "hybridized"])
@pytest.mark.parametrize("name", loss_cases())
def test_losses_are_mxnets(name: str, hybrid: bool) -> None:
    loss, inputs = loss_cases()[name]
    expected = json.loads((DATA / "mxnet_1_9_1_losses.json").read_text())[name]
    loss.hybridize(hybrid)
    pred, *rest = map(np.array, inputs)
    pred.attach_grad()
    with autograd.record():
        y = loss(pred, *rest)
    y.backward()
    numpy.testing.assert_allclose(numpy.ravel(y.asnumpy()), numpy.ravel(expected["loss"]), rtol=2e-5, atol=2e-6)
    numpy.testing.assert_allclose(pred.grad.asnumpy(), expected["grad"], rtol=2e-5, atol=2e-5)


def test_poisson_loss_with_stirlings_formula() -> None:
    target = numpy.array([0.0, 1.0, 5.0])
    loss = gluon.loss.PoissonNLLLoss(from_logits=False, compute_full=True)(np.array([1.0, 2.0, 3.0]), np.array(target.astype("float32")))
    stirling = 5 * numpy.log(5) - 5 + 0.5 * numpy.log(2 * numpy.pi * 5)
    assert loss.item() == pytest.approx((1 + (2 - numpy.log(2)) + (3 - 5 * numpy.log(3) + stirling)) / 3, rel=1e-5)


def test_loss_errors() -> None:
    with pytest.raises(ShapeError, match="labels of shape"):
        gluon.loss.L2Loss()(sample(2, 3), sample(2, 2))
    with pytest.raises(ShapeError, match="labels of shape"):
        gluon.loss.SoftmaxCELoss()(sample(2, 3), sample(3))
    with pytest.raises(ArgumentError, match="sample_weight"):
        gluon.loss.L1Loss(weight=sample(2))(sample(2, 3), sample(2, 3))


def test_utils() -> None:
    parts = gluon.utils.split_data(np.arange(7), 3, even_split=False)
    assert [p.tolist() for p in parts] == [[0, 1, 2], [3, 4], [5, 6]]
    with pytest.raises(ShapeError, match="3 slices divide"):
        gluon.utils.split_data(np.arange(7), 3)
    arrays = [np.array([3.0]), np.array([[4.0]])]
    assert gluon.utils.clip_global_norm(arrays, 1.0) == pytest.approx(5.0)
    assert [x.item() for x in arrays] == pytest.approx([0.6, 0.8])
    with pytest.warns(UserWarning, match="norm of the gradients is nan"):
        gluon.utils.clip_global_norm([np.array([float("nan")])], 1.0)
    half = np.array([3000.0, 4000.0], dtype="float16")
    assert gluon.utils.clip_global_norm([half], 1.0, check_isfinite=False).item() == 5000.0
    assert half.tolist() == pytest.approx([0.6, 0.8], rel=1e-3)
