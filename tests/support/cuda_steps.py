"""What can be said of a GPU's program from its steps alone."""

from collections import Counter

from hybridnet.codegen.cuda_program import CudaSource
from hybridnet.codegen.cuda_steps import CopyStep
from hybridnet.graph.ir import Value


def longest_chain(source: CudaSource) -> int:
    """The most steps of a program that wait one for the other's results: what is left where all that can runs side by side."""
    steps = Counter(s.node for s in source.steps if not isinstance(s, CopyStep))
    behind: dict[Value, int] = {}
    for node in source.lowered.nodes:
        before = max((behind.get(v, 0) for v in node.inputs), default=0)
        behind.update(dict.fromkeys(node.outputs, before + steps[node]))
    return max(behind.values(), default=0)
