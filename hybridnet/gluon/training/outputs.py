"""What is asked of each output of a network: its loss and its metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon.training import losses, measures
from hybridnet.gluon.training.losses import Loss
from hybridnet.gluon.training.measures import Measure


@dataclass(frozen=True)
class Output:
    """What is asked of an output of the network: its loss with its share of the whole, metrics on the device and on the host.

    ``prefix`` begins the names of its results: nothing for a network of one output.
    """

    loss: Loss
    share: float
    measures: tuple[Measure, ...]
    host: tuple[Any, ...]
    prefix: str


def outputs_from(loss: Any, metrics: Any, shares: Sequence[float] | None) -> list[Output]:
    """Losses and metrics by output: of one, unless ``loss`` is a list. ArgumentError if weights or metrics are not as many."""
    several = isinstance(loss, (list, tuple))
    found = [losses.find(one) for one in (loss if several else [loss])]
    if shares is None:
        shares = [1.0] * len(found)
    by_output = list(metrics) if several and metrics is not None else [None if several else metrics] * len(found)
    for what, given in (("loss_weights", shares), ("metrics", by_output)):
        if len(given) != len(found):
            fix = "metrics=[['accuracy'], None, ...]" if what == "metrics" else ""
            fail(ArgumentError, "compile", expected=f"{what} for each of {len(found)} losses", got=f"{len(given)} of them", fix=fix)
    outputs = []
    for i, (one, share, some) in enumerate(zip(found, shares, by_output, strict=True)):
        if isinstance(some, str) or not isinstance(some, (list, tuple, type(None))):
            some = [some]
        of_output = [measures.find(m) for m in some or ()]
        on_device = tuple(m for m in of_output if isinstance(m, Measure))
        host = tuple(m for m in of_output if not isinstance(m, Measure))
        outputs.append(Output(one, float(share), on_device, host, f"output{i}_" if several else ""))
    return outputs
