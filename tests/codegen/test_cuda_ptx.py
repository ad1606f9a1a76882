"""What must not stand in the PTX of our kernels, whatever their C++ looks like."""

from emulator import nvrtc
from support.samples import samples_of
from test_cuda_text import POINTWISE, graph_of_sample

from hybridnet import dtypes
from hybridnet.codegen.cuda_region import Unit

#: By their definition (kernels/functors.cuh), and where CUDA's library reduces large arguments, from a table of constants.
IN_DOUBLE = {"digamma", "polygamma", "sin", "cos", "tan"}


def test_float_kernels_compute_in_float_and_read_memory_that_may_change() -> None:
    """A constant that is a double would make arithmetic of it; the read-only cache would not see what a kernel writes in place."""
    unit, names = Unit(), {}
    for op in POINTWISE:
        sample = next(s for s in samples_of(op) if s.error is None)
        for dtype in (dtypes.float32, dtypes.bfloat16):
            for graph, _ in graph_of_sample(op, sample, dtype):
                nodes = [n for n in graph.nodes if n.op is op and not any(v.dtype == dtypes.float64 for v in (*n.inputs, *n.outputs))]
                names |= {k.name: op.name for n in nodes for k in unit.add(n).kernels}
    found = {names[kernel]: text for kernel, text in nvrtc.ptx_of(unit.text).items()}
    assert len(found) > 50
    for name, text in found.items():
        assert ".f64" not in text or name in IN_DOUBLE, f"{name} computes in double"
        assert "ld.global.nc" not in text or name in IN_DOUBLE, f"{name} reads through the read-only cache"
