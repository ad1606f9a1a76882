"""Metrics and schedules against the values that MXNet 1.9.1 gives for the same inputs."""

import math
from typing import Any

import numpy
import pytest

from hybridnet import lr_scheduler, metric, nd
from hybridnet.errors import ArgumentError, ShapeError
from hybridnet.numpy import array

P2 = array([[0.3, 0.7], [0, 1.0], [0.4, 0.6], [0.8, 0.2]])
L2 = array([0, 1, 1, 0])
P3 = array([[0.1, 0.3, 0.6], [0.2, 0.5, 0.3], [0.7, 0.2, 0.1]])
L3 = array([1, 0, 2])
A, B = array([1, 2, 3.0]), array([1.5, 2, 5])


# (metric, batches of (label, prediction), the value after the last)
TWO = [(L2, P2), (1 - L2, P2)]
PAIR = [(A, B), (A, B * 2)]
CASES: list[tuple[Any, Any, float]] = [
    (metric.Accuracy(), [(L2, P2)], 0.75),
    (metric.Accuracy(), TWO, 0.5),
    (metric.Accuracy(), [(L2, array([0, 1, 0, 0]))], 0.75),
    (metric.Accuracy(axis=2), [(array([[0, 1]]), array([[[0.1, 0.9], [0.2, 0.8]]]))], 0.5),
    (metric.TopKAccuracy(2), [(L3, P3)], 1 / 3),
    (metric.F1(), [(L2, P2)], 0.8),
    (metric.F1(), TWO, 0.6),
    (metric.F1(average="micro"), TWO, 0.6),
    (metric.MCC(), [(L2, P2)], 0.57735),
    (metric.MCC(average="micro"), TWO, 0.0),
    (metric.PCC(), [(L2, P2)], 0.57735),
    (metric.PCC(), [(L3, P3), (array([2, 1, 0]), P3)], 0.25),
    (metric.CrossEntropy(), [(L2, P2)], 0.48449),
    (metric.NegativeLogLikelihood(), [(L2, P2)], 0.48449),
    (metric.Perplexity(None), [(L2, P2)], 1.62334),
    (metric.Perplexity(None), TWO, 32.48487),
    (metric.Perplexity(0), [(L2, P2)], 1.29099),
    (metric.Loss(), [(L2, P2)], 0.5),
    (metric.Torch(), [(L2, P2)], 0.5),
    (metric.Caffe(), [(L2, P2)], 0.5),
    (metric.MAE(), PAIR, 2.25),
    (metric.MSE(), PAIR, 10.20833),
    (metric.RMSE(), PAIR, 2.77457),
    (metric.PearsonCorrelation(), PAIR, 0.92447),
    (metric.PearsonCorrelation(average="micro"), PAIR, 0.75876),
    (metric.CustomMetric(lambda label, pred: abs(label - pred).sum()), [(A, B)], 2.5),
    (metric.np(lambda label, pred: (2, abs(label - pred).sum()), name="ratio"), [(A, B)], 0.8),
]


@pytest.mark.parametrize(("measure", "batches", "expected"), CASES, ids=lambda x: x.name if isinstance(x, metric.EvalMetric) else "")
def test_values_are_mxnets(measure: metric.EvalMetric, batches: Any, expected: float) -> None:
    measure.reset()
    assert math.isnan(measure.get()[1])
    for label, pred in batches:
        measure.update([label], [pred])
    assert measure.get()[1] == pytest.approx(expected, abs=1e-5)
    assert measure.get_global()[1] == pytest.approx(expected, abs=1e-5)
    measure.reset_local()
    assert math.isnan(measure.get()[1]) and not math.isnan(measure.get_global()[1])


def test_sums_of_a_correlation() -> None:
    """As MXNet counts them: the value times the number of updates."""
    measure = metric.PCC()
    for updates in (1, 2):
        measure.update([array([1, 2, 0])], [array([1, 2, 1])])
        assert (measure.num_inst, measure.global_num_inst) == (updates, updates)
        assert measure.sum_metric == measure.global_sum_metric == pytest.approx(0.6123724 * updates)


def test_correlation_of_numbers_far_from_zero() -> None:
    """Means that are large beside the deviations, numbers near the ends of a type's range, and batches of any size, one empty."""
    rng = numpy.random.default_rng(0)
    for offset, scale in ((0, 1), (1e8, 1), (-1e5, 1e-3), (0, 1e-150), (0, 1e150)):
        x = rng.normal(size=60)
        y = (x + rng.normal(size=60)) * scale + offset
        x = x * scale + offset
        measure = metric.PearsonCorrelation(average="micro")
        for part in (slice(0, 0), slice(0, 1), slice(1, 20), slice(20, 60)):
            measure.update([x[part]], [y[part]])
        assert measure.get()[1] == pytest.approx(numpy.corrcoef(x / scale, y / scale)[0, 1], rel=1e-6)
    measure.reset_micro()
    assert math.isnan(measure.get()[1]) and not math.isnan(measure.get_global()[1])


def test_numpy_arrays_and_single_arrays_do() -> None:
    m = metric.Accuracy()
    m.update(L2.asnumpy(), P2.asnumpy())
    assert m.get() == ("accuracy", 0.75) and str(m) == "EvalMetric: {'accuracy': 0.75}"


def test_create() -> None:
    both = metric.create(["acc", "ce"])
    both.update([L2], [P2])
    assert isinstance(both, metric.CompositeEvalMetric) and both.get()[0] == ["accuracy", "cross-entropy"]
    assert dict(both.get_name_value())["accuracy"] == 0.75
    assert metric.create("top_k_accuracy", top_k=3).name == "top_k_accuracy_3"
    assert metric.create(lambda label, pred: 0).name == "custom(<lambda>)"
    with pytest.raises(ArgumentError, match="acc"):
        metric.create("acuracy")

    @metric.register
    class Mine(metric.EvalMetric):
        def __init__(self, name: str = "mine") -> None:
            super().__init__(name)

        def update(self, labels: Any, preds: Any) -> None:
            self.sum_metric += 3
            self.num_inst += 2

    mine = metric.create("mine")
    mine.update([], [])
    assert mine.get() == ("mine", 1.5)


def test_dicts_choose_by_name() -> None:
    m = metric.MAE(output_names=["y"], label_names=["t"])
    m.update_dict({"other": L2, "t": A}, {"y": B, "z": P2})
    assert m.get()[1] == pytest.approx(2.5 / 3)


def test_errors() -> None:
    with pytest.raises(ShapeError, match="4 predictions"):
        metric.Accuracy().update([L2], [P3])
    with pytest.raises(ShapeError, match="equal in number"):
        metric.Accuracy().update([L2, L2], [P2])
    with pytest.raises(ArgumentError, match="top_k above 1"):
        metric.TopKAccuracy(1)
    with pytest.raises(ArgumentError, match="labels 0 and 1"):
        metric.F1().update([array([2, 1])], [array([[0.1, 0.9], [0.2, 0.8]])])
    with pytest.raises(ShapeError, match="predictions of shape"):
        metric.MSE().update([A], [P2])


SCHEDULES = [
    (lr_scheduler.FactorScheduler(3, 0.5, base_lr=1.0), [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125, 0.125, 0.0625]),
    (
        lr_scheduler.FactorScheduler(3, 0.5, stop_factor_lr=0.2, base_lr=1.0, warmup_steps=4, warmup_begin_lr=0.1),
        [0.1, 0.325, 0.55, 0.775, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.2, 0.2],
    ),
    (lr_scheduler.MultiFactorScheduler([3, 6], 0.1, base_lr=1.0, warmup_steps=2), [0, 0.5, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01]),
    (
        lr_scheduler.PolyScheduler(10, 1.0, 2, 0.1, warmup_steps=3),
        [0, 0.333333, 0.666667, 1, 0.761224, 0.559184, 0.393878, 0.265306, 0.173469, 0.118367, 0.1, 0.1],
    ),
    (
        lr_scheduler.CosineScheduler(10, 1.0, 0.1, warmup_steps=3, warmup_begin_lr=0.2),
        [0.2, 0.466667, 0.733333, 1, 0.955436, 0.83057, 0.650134, 0.449866, 0.26943, 0.144564, 0.1, 0.1],
    ),
    (
        lr_scheduler.CosineScheduler(10, 1.0, 0, warmup_steps=3, warmup_mode="constant", warmup_begin_lr=0.3),
        [0.3, 0.3, 0.3, 1, 0.950484, 0.811745, 0.61126, 0.38874, 0.188255, 0.049516, 0, 0],
    ),
]


@pytest.mark.parametrize(("schedule", "rates"), SCHEDULES, ids=lambda x: type(x).__name__)
def test_schedules_are_mxnets(schedule: lr_scheduler.LRScheduler, rates: list[float]) -> None:
    numpy.testing.assert_allclose([schedule(n) for n in range(len(rates))], rates, atol=1e-6)
    assert schedule(2) == pytest.approx(rates[2], abs=1e-6), "a schedule keeps no count of its own"


def test_schedule_errors() -> None:
    for wrong in (
        lambda: lr_scheduler.FactorScheduler(0),
        lambda: lr_scheduler.FactorScheduler(3, 1.5),
        lambda: lr_scheduler.MultiFactorScheduler([3, 3]),
        lambda: lr_scheduler.CosineScheduler(3, warmup_steps=3),
        lambda: lr_scheduler.LRScheduler(0.1, warmup_begin_lr=0.2),
        lambda: lr_scheduler.LRScheduler(0.1, warmup_mode="odd"),
    ):
        with pytest.raises(ArgumentError):
            wrong()


def test_moments_of_a_correlation_are_taken_in_by_hand() -> None:
    """MXNet's methods for subclasses: a running variance, and a covariance from the means of now."""
    found = metric.PearsonCorrelation(average="micro")
    rng = numpy.random.default_rng(0)
    x, y = rng.normal(size=(2, 20))
    count, mean, squares = found.update_variance(x[8:], *found.update_variance(x[:8], 0, 0.0, 0.0))
    numpy.testing.assert_allclose([count, mean, squares], [20, x.mean(), ((x - x.mean()) ** 2).sum()])
    found.update([array(x)], [array(y)])
    _, before = found.get()
    found.update_cov(x, y)
    numpy.testing.assert_allclose(found.get()[1], 2 * before, rtol=1e-4)


@pytest.mark.parametrize(
    "make",
    [
        metric.Accuracy, lambda: metric.TopKAccuracy(2), metric.F1, lambda: metric.F1(average="micro"), metric.MCC,
        lambda: metric.MCC(average="micro"), metric.PCC, metric.CrossEntropy, lambda: metric.Perplexity(None), metric.Loss,
        lambda: metric.CompositeEvalMetric([metric.Accuracy(), metric.F1(average="micro")]),
        lambda: metric.CustomMetric(lambda label, pred: float((pred.argmax(1) == label).sum())),
    ],
)  # fmt: skip
def test_metrics_of_parts_are_merged(make: Any) -> None:
    """Batches counted by three metrics, one of which has seen none, and then by one: as by one alone."""
    rng = numpy.random.default_rng(0)
    batches = []
    for n in (5, 2, 9, 4):
        scores = rng.random((n, 2)) + 1e-3
        batches.append((nd.array(rng.integers(0, 2, n)), nd.array(scores / scores.sum(axis=1, keepdims=True))))
    whole, parts = make(), [make() for _ in range(3)]
    for i, (label, pred) in enumerate(batches):
        whole.update([label], [pred])
        parts[i % 2].update([label], [pred])
    for other in parts[1:]:
        parts[0].merge(other)
    for name in ("get", "get_global"):
        found, expected = (getattr(m, name)() for m in (parts[0], whole))
        assert found[0] == expected[0]
        numpy.testing.assert_allclose(found[1], expected[1], rtol=1e-9)


@pytest.mark.parametrize("average", ["macro", "micro"])
def test_correlations_of_parts_are_merged(average: str) -> None:
    rng = numpy.random.default_rng(1)
    whole, parts = metric.PearsonCorrelation(average=average), [metric.PearsonCorrelation(average=average) for _ in range(2)]
    for i in range(4):
        x = rng.normal(size=6) + 1e4
        pair = [nd.array(x, dtype="float64")], [nd.array(x + rng.normal(size=6), dtype="float64")]
        whole.update(*pair)
        parts[i % 2].update(*pair)
    parts[0].merge(parts[1])
    numpy.testing.assert_allclose(parts[0].get()[1], whole.get()[1], rtol=1e-9)
