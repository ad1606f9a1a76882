"""What another algorithm than the library's first is worth: of cuBLASLt's for the products of GPT-2, of cuDNN's for attention's backward.

And whether the timing at a program's first run finds the best.

Microseconds. Asked alone.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gpu.questions import Cases, captured, cupy, filled, launched, question, timing
from gpu.questions.libraries import Shape
from gpu.sizes import FULL, TINY, Sizes
from hybridnet import dtypes
from hybridnet.device import blas, cuda, dnn
from hybridnet.device.autotune import CANDIDATES, WORKSPACE

REPEATS = 10  # of a call in a graph, so that launching does not count


def products_of(sizes: Sizes) -> dict[str, Shape]:
    """GPT-2's largest products: the scores, and a block's forward and gradients; one of the LSTM's kind, tall and thin."""
    g = sizes.gpt2
    tokens, units, wide = g.batch * g.length, g.units, 4 * g.units
    return {
        "widen": Shape(wide, tokens, units, True, False, "bias"),
        "narrow": Shape(units, tokens, wide, True, False, "bias"),
        "gradient of widen's input": Shape(units, tokens, wide, False, False),
        "gradient of widen's weight": Shape(units, wide, tokens, False, True, "sums_b"),
        "scores": Shape(g.words, tokens, units, True, False),
        "gradient of the scores' weight": Shape(units, g.words, tokens, False, True),
        "64 rows": Shape(wide, 64, units, True, False, "bias"),
    }


def times_of(shape: Shape) -> dict[str, Any]:
    """Of each algorithm in the order of the library's list; of the best its workspace in bytes, and the share of the first's time saved.

    And which of them the timing at a program's first run takes, and the milliseconds that this took.
    """
    call = blas.plan(shape.product(dtypes.bfloat16, "float32"))
    assert call is not None, "cuBLASLt has no algorithm for it"
    a, b = (filled(rows, shape.k, dtype=dtypes.bfloat16) for rows in (shape.m, shape.n))  # as many numbers whichever is transposed
    beside = {"bias": shape.m, "sums_a": shape.m, "sums_b": shape.n}.get(shape.epilogue)
    more = [] if beside is None else [cupy().ones(beside, dtypes.bfloat16)]
    d, scratch = cupy().empty((shape.n, shape.m), dtypes.bfloat16), cupy().empty(WORKSPACE, np.uint8)
    pointers = [int(x.data.ptr) for x in (a, b, *more, d)]
    chosen = call.tuned(blas.ALIGNED)
    assert chosen is not None
    begin = time.perf_counter()
    call.settle(pointers, int(scratch.data.ptr), int(cupy().cuda.get_current_stream().ptr))
    settled = {"chosen": chosen.tuned.choice.which, "by": chosen.tuned.choice.origin, "milliseconds": (time.perf_counter() - begin) * 1e3}
    call.workspace = WORKSPACE
    found = call.heuristics(blas.ALIGNED, WORKSPACE, CANDIDATES)
    times = []
    for algorithm in found:

        def body(stream: Any, algorithm: Any = algorithm) -> None:
            for _ in range(REPEATS):
                call.put(algorithm, pointers, int(scratch.data.ptr), stream.ptr)

        times.append(launched(captured(body), 10) / REPEATS)
    best = min(range(len(times)), key=times.__getitem__)
    return {"times": times, "best": best, "workspace of the best": found[best].workspace, "saved": 1 - times[best] / times[0], **settled}


def _heuristics_against_the_first(sizes: Sizes) -> Any:
    cases = Cases()
    for name, shape in products_of(sizes).items():
        cases.ask(name, partial(times_of, shape))
    return cases.answer()


@timing
def cublaslt_heuristics_against_the_first(folder: Path) -> Any:
    """The first eight algorithms of the library's list for GPT-2's products: is the first the fastest?"""
    return _heuristics_against_the_first(FULL)


@question
def cublaslt_heuristics_of_small_products(folder: Path) -> Any:
    """The same for tiny ones, whose times mean nothing: that the list can be had, and each of it runs."""
    return _heuristics_against_the_first(TINY)


class _AttentionGrad:
    """Causal attention's backward for packed operands, by one of both kinds of algorithm."""

    def __init__(self, shape: tuple[int, ...], deterministic: bool, **where: Any) -> None:
        """``where``: a handle, or the properties of a device that is not there."""
        module = dnn.library()
        self.handle = where.get("handle")
        types = module.data_type
        batch, heads, length, features = shape
        strides = [heads * length * features, length * features, features, 1]
        graph = module.pygraph(io_data_type=types.BFLOAT16, intermediate_data_type=types.FLOAT, compute_data_type=types.FLOAT, **where)
        made = {name: graph.tensor(name=name, dim=list(shape), stride=strides) for name in ("q", "k", "v", "o", "dO")}
        sums = [heads * length, length, 1, 1]
        made["stats"] = graph.tensor(name="stats", dim=[batch, heads, length, 1], stride=sums, data_type=types.FLOAT)
        gradients = graph.sdpa_backward(
            **made, attn_scale=features**-0.5, use_causal_mask=True, use_deterministic_algorithm=deterministic, name="attention_grad"
        )
        for gradient in gradients:
            gradient.set_output(True).set_dim(list(shape)).set_stride(strides).set_data_type(types.BFLOAT16)
        graph.validate()
        graph.build_operation_graph()
        graph.create_execution_plans([module.heur_mode.A, module.heur_mode.FALLBACK])
        graph.check_support()
        graph.build_plans()
        self.graph = graph
        self.uids = {name: tensor.get_uid() for name, tensor in (*made.items(), *zip(("dq", "dk", "dv"), gradients, strict=True))}
        self.workspace = int(graph.get_workspace_size())

    def run(self, pointers: dict[str, int], scratch: int, stream: int) -> None:
        dnn.library().set_stream(handle=self.handle, stream=stream)
        self.graph.execute({self.uids[name]: p for name, p in pointers.items()}, scratch, self.handle)


@timing
def attention_backward_deterministic_or_not(folder: Path) -> Any:
    """GPT-2's: microseconds and bytes of workspace."""
    cp, g = cupy(), FULL.gpt2
    shape = (g.batch, g.heads, g.length, g.units // g.heads)
    arrays = {name: filled(*shape, dtype=dtypes.bfloat16) for name in ("q", "k", "v", "o", "dO")}
    arrays |= {name: cp.empty(shape, dtypes.bfloat16) for name in ("dq", "dk", "dv")}
    arrays["stats"] = cp.full((*shape[:3], 1), 8, "float32")
    pointers = {name: int(x.data.ptr) for name, x in arrays.items()}
    handle = dnn.library().create_handle()
    cases = Cases()

    def measured(deterministic: bool) -> dict[str, float]:
        with cuda.quiet:
            call = _AttentionGrad(shape, deterministic, handle=handle)
        scratch = cp.empty(max(call.workspace, 1), np.uint8)
        body = lambda stream: [call.run(pointers, int(scratch.data.ptr), stream.ptr) for _ in range(REPEATS)]
        return {"time": launched(captured(body), 5) / REPEATS, "workspace": call.workspace}

    for name, deterministic in (("deterministic", True), ("fast", False)):
        cases.ask(name, partial(measured, deterministic))
    return cases.answer()
