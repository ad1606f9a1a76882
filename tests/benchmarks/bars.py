"""What must hold: the bars that the measurements are compared with, and which of them were met.

Quantities are named ``peer/workload/case``.
"""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

#: The networks of hybridnet's own suite (see ``networks.TASKS``), each run forward and in training.
NETWORKS = ("mlp", "digits", "images", "language", "attention", "pointwise")
OWN_WORKLOADS = tuple(f"{name}-{part}" for name in NETWORKS for part in ("forward", "train"))
#: What every peer runs.
SHARED_WORKLOADS = ("operators", "mlp-train")
COMPILE_SECONDS = {
    "hybridized": 3.0,
    "one step": 3.0,
    "640 dense layers": 0.8,
    "1280 dense layers": 1.8,
    "120 dense layers and layer norms": 1.3,
    "800 steps of a recurrent network": 1.0,
}


class Bar(NamedTuple):
    """``ours`` is to be at most ``limit`` times the smallest of ``theirs``."""

    ours: str
    theirs: tuple[str, ...]
    limit: float


class Verdict(NamedTuple):
    """A bar with what was measured, round by round; ``theirs`` is empty where no peer was run."""

    title: str
    ours: Sequence[float]
    theirs: Sequence[float]
    limit: float

    @property
    def ratio(self) -> float | None:
        """Of the medians."""
        return median(self.ours) / median(self.theirs) if self.theirs else None

    @property
    def spread(self) -> tuple[float, float]:
        """The least and the largest ratio of a round: how far the ratio can be trusted."""
        ratios = [a / b for a, b in zip(self.ours, self.theirs, strict=True)]
        return min(ratios), max(ratios)

    @property
    def word(self) -> str:
        return "not run" if self.ratio is None else "PASS" if self.ratio <= self.limit else "MISS"


#: What the networks that every framework runs are held to.
PEER_CASES = ("mxnet", "hybridized"), ("torch", "eager"), ("torch", "compiled")
#: Of each, the limits against these: by NumPy alone, and with the extra ``cpu``.
NETWORK_LIMITS = (
    ("mlp-train", (0.6, 0.8, 0.5), (0.5, 0.6, 0.4)),
    ("lenet-train", (1.1, 1.1, 0.8), (0.8, 0.9, 0.6)),
    ("lstm-train", (0.8, 2.0, 1.6), (0.8, 1.5, 1.2)),
    ("resnet18-train", (0.95, 1.4, 1.0), (0.75, 0.95, 0.8)),
    ("resnet18-inference", (1.0, 1.1, 1.1), (0.55, 0.6, 0.65)),
    ("mobilenet-inference", (1.8, 2.0, 1.8), (0.6, 0.6, 0.6)),
    ("transformer-train", (0.8, 1.0, 1.1), (0.7, 0.9, 1.0)),
    ("chain-inference", (0.3, 0.4, 1.1), (0.3, 0.4, 1.1)),
)
SHARED_NETWORKS = tuple(name for name, *_ in NETWORK_LIMITS)
PEERS = (
    Bar("hybridnet/operators/add", ("torch/operators/add",), 1.3),
    Bar("hybridnet/operators/add", ("mxnet/operators/add", "mxnet/operators/add, mx.np"), 0.1),
    *(
        Bar(f"{ours}/{workload}/{'one step' if workload in SHARED_WORKLOADS else 'hybridized'}", (f"{peer}/{workload}/{case}",), limit)
        for workload, *all_limits in NETWORK_LIMITS
        for ours, limits in zip(("hybridnet", "onednn"), all_limits, strict=True)
        for (peer, case), limit in zip(PEER_CASES, limits, strict=True)
    ),
)
#: The largest resident size of the process, beside that of MXNet and of PyTorch.
MEMORY = tuple(
    Bar(f"hybridnet/{workload}/hybridized", (f"{peer}/{workload}/{case}",), limit)
    for workload in SHARED_NETWORKS
    for peer, case, limit in (("mxnet", "hybridized", 0.8), ("torch", "eager", 0.9))
)
OWN = tuple(Bar(f"hybridnet/{w}/hybridized", (f"hybridnet/{w}/imperative",), 1.0) for w in OWN_WORKLOADS)


def judged(bars: Sequence[Bar], measured: Mapping[str, Sequence[float]]) -> list[Verdict]:
    """The verdict on each bar whose own side was measured."""
    verdicts = []
    for ours, theirs, limit in bars:
        if ours in measured:
            best = min((name for name in theirs if name in measured), key=lambda name: median(measured[name]), default="")
            same, (who, workload, case) = f"hybridnet/{ours.split('/')[1]}/", ours.split("/")
            case = case if who == "hybridnet" else f"{case} with the extra cpu"
            title = f"{workload}: {case} against {(best or theirs[0]).removeprefix(same)}"
            verdicts.append(Verdict(title, measured[ours], measured.get(best, ()), limit))
    return verdicts


def disagreements(losses: Mapping[str, Sequence[float]], tolerances: Mapping[str, float]) -> dict[str, float]:
    """The cases whose losses differ from hybridnet's imperative ones by more than the peer's tolerance, and by how much, relatively."""
    found = {}
    for name, values in losses.items():
        peer, workload, _ = name.split("/")
        reference = losses.get(f"hybridnet/{workload}/imperative", values)
        error = max(abs(a - b) / (abs(b) + 1e-3) for a, b in zip(values, reference, strict=True))
        if not error <= tolerances[peer]:
            found[name] = error
    return found


#: Losses of equal training steps from equal weights. PyTorch's Adam adds epsilon elsewhere.
TOLERANCES: dict[str, Any] = {"hybridnet": 1e-4, "baseline": 1e-4, "onednn": 1e-3, "numpy": 1e-3, "mxnet": 1e-3, "torch": 1e-2}
