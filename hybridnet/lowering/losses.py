"""A training step's softmax cross-entropy and its gradient are one kernel, which reads the scores from memory once.

The gradient needs of the loss nothing but the logarithm of the sum of exponentials, which the kernel has at hand. What comes from behind
the loss (a mean's 1 / n, a loss scale, weights of samples) must be known without it, as it is in a step that begins its backward with
ones. In a forward and a backward that are programs of their own it is not known, and they stay apart.
"""

from __future__ import annotations

from hybridnet.core.kernel import HandKernels
from hybridnet.graph.backend import implementation_of
from hybridnet.graph.ir import Graph, Node, infer_node
from hybridnet.lowering.joining import Uses, joined, uses_of, waiting
from hybridnet.ops.nn.loss import CROSS_ENTROPY, CROSS_ENTROPY_BOTH, CROSS_ENTROPY_GRAD


def join_losses(graph: Graph) -> Graph:
    """The graph with each loss and its gradient as one node, where hand-written kernels compute it."""
    uses, position = uses_of(graph), {n: i for i, n in enumerate(graph.nodes)}
    for grad in graph.nodes:
        loss = _loss_of(grad, uses)
        if loss is None:
            continue
        x, label, _, of_loss, weight = grad.inputs
        inputs = x, label, of_loss, weight
        both = Node(CROSS_ENTROPY_BOTH, inputs, grad.attrs, infer_node(CROSS_ENTROPY_BOTH, inputs, grad.attrs), grad.device, loss.site)
        if not isinstance(implementation_of(both), HandKernels):
            continue
        results = dict(zip((loss.output, grad.output), both.outputs, strict=True))
        after = waiting([r for v in results for r in uses.get(v, ()) if r is not None], (loss, grad), uses, position)
        if after is not None:
            return join_losses(joined(graph, both, results, (loss, grad), after))
    return graph


def _loss_of(grad: Node, uses: Uses) -> Node | None:
    """The loss of which a node is the gradient, if nothing else needs more of it than the loss itself."""
    if grad.op is not CROSS_ENTROPY_GRAD:
        return None
    total = grad.inputs[2]
    loss = total.node
    if loss is None or loss.op is not CROSS_ENTROPY or total is not loss.outputs[1] or uses[total] != [grad]:
        return None
    return loss if loss.inputs == grad.inputs[:2] and loss.attrs == grad.attrs else None
