"""What MXNet and ONNX know as one operator is one node of a traced graph; the passes write it out."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hybridnet import autograd, ndarray
from hybridnet.core import OPS, apply, array
from hybridnet.graph.backend import has_fused_implementation
from hybridnet.graph.ir import Graph
from hybridnet.graph.passes.decompose import decompose
from hybridnet.graph.trace import Trace, tracing
from hybridnet.ops.nn.batch_norm import batch_norm
from hybridnet.ops.nn.rounding import quantize_dequantize

F = ndarray.FUNCTIONS
IMAGE, CHANNELS, ROWS = (2, 4, 6, 6), (4,), (6,)
#: The operator, how it is called, the shapes of its operands.
CALLS: list[tuple[str, Callable[..., Any], list[tuple[int, ...]]]] = [
    ("batch_norm", F["BatchNorm"], [IMAGE, CHANNELS, CHANNELS, CHANNELS, CHANNELS]),
    ("layer_norm", F["LayerNorm"], [IMAGE, ROWS, ROWS]),
    ("group_norm", lambda *x: F["GroupNorm"](*x, num_groups=2), [IMAGE, CHANNELS, CHANNELS]),
    ("instance_norm", F["InstanceNorm"], [IMAGE, CHANNELS, CHANNELS]),
    *[
        ("l2_normalization", lambda x, mode=mode: F["L2Normalization"](x, mode=mode), [IMAGE])
        for mode in ("instance", "channel", "spatial")
    ],
    ("lrn", lambda x: F["LRN"](x, nsize=3), [IMAGE]),
    ("dropout", F["Dropout"], [IMAGE]),
    ("embedding", F["Embedding"], [(3,), (5, 2)]),
    ("prelu", lambda x, gamma: F["LeakyReLU"](x, gamma, act_type="prelu"), [IMAGE, CHANNELS]),
    *[(name, lambda x, name=name: F["LeakyReLU"](x, act_type=name), [IMAGE]) for name in ("elu", "selu", "gelu")],
    ("leaky_relu", F["LeakyReLU"], [IMAGE]),
    *[
        (name, lambda x, name=name: F["Activation"](x, name), [IMAGE])
        for name in ("relu", "sigmoid", "softrelu", "softsign", "mish", "silu")
    ],
    ("quantize_dequantize", quantize_dequantize, [IMAGE, (1,)]),
    ("hard_sigmoid", F["hard_sigmoid"], [IMAGE]),
    ("softmax", F["softmax"], [IMAGE]),
    ("log_softmax", F["log_softmax"], [IMAGE]),
    ("max_pool", lambda x: F["Pooling"](x, kernel=(2, 2)), [IMAGE]),
    ("sum_pool", lambda x: F["Pooling"](x, kernel=(2, 2), pool_type="avg"), [IMAGE]),
    ("global_avg_pool", lambda x: F["Pooling"](x, global_pool=True, pool_type="avg"), [IMAGE]),
    *[
        ("turn_pairs", lambda *x, near=near: apply(OPS["turn_pairs"], x, {"interleaved": near}), [(2, 3, 2, 4), (3, 1, 2), (3, 1, 2)])
        for near in (False, True)
    ],
    ("upsampling_nearest", lambda x: F["UpSampling"](x, scale=2, sample_type="nearest"), [IMAGE]),
    ("multi_box_prior", F["_contrib_MultiBoxPrior"], [IMAGE]),
]
#: What is beside the operator: the random state moves on, running statistics are given back.
STATE = {"copy", "add", "full"}


def traced(function: Callable[..., Any], *arrays: Any) -> Graph:
    """The graph of a call before any pass."""
    trace = Trace()
    with tracing(trace):
        result = function(*arrays)
        return trace.graph([trace.read(result)])


@pytest.mark.parametrize(("name", "function", "shapes"), CALLS, ids=[c[0] for c in CALLS])
@pytest.mark.parametrize("train", [True, False], ids=["train", "predict"])
def test_one_node(name: str, function: Callable[..., Any], shapes: list[tuple[int, ...]], train: bool) -> None:
    arrays = [array(np.ones(s, np.float32)) for s in shapes]
    with autograd.train_mode() if train else autograd.predict_mode():
        graph = traced(function, *arrays)
    names = [n.op.name for n in graph.nodes if n.op.name not in STATE]
    assert names == ([] if name == "dropout" and not train else [name])
    if OPS[name].decomposition is not None:
        assert all(node.op.decomposition is None or has_fused_implementation(node) for node in decompose(graph).nodes)


def test_batch_norm_gives_the_running_statistics() -> None:
    """In training they are results of the node, which the trace assigns back; in prediction there are none."""
    x, *parameters = (array(np.ones(s, np.float32)) for s in (IMAGE, *[CHANNELS] * 4))
    for train in (True, False):
        with autograd.train_mode() if train else autograd.predict_mode():
            graph = traced(batch_norm, x, *parameters)
        (node,) = graph.nodes
        assert len(node.outputs) == (5 if train else 3)
        assert graph.outputs == (node.outputs[0], *node.outputs[3:])
