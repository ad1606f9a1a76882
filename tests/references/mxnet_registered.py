"""What MXNet 1.9.1 has registered. Run where MXNet is, as ``tests/support/mxnet_operators.py``.

It writes ``tests/data/mxnet_1_9_1_registered.tsv``, a line each operator but those that are parts of gradients: its name, the one under
which it is registered first, and the parameters of the function that MXNet makes of it, in order, ``*`` before any number of inputs.
"""

import inspect
import pathlib
import sys

import mxnet as mx

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))
from support import mxnet_operators as operators  # noqa: E402

nd = mx.nd
#: Where functions of arrays are, by how the operators' names begin; the first that has the name.
PLACES = [
    ("_contrib_", nd.contrib), ("_linalg_", nd.linalg), ("_image_", nd.image), ("_sparse_", mx.ndarray.gen_sparse),
    ("_npi_", nd.numpy._internal), ("_np_", nd.numpy._op), ("_npx__image_", nd.numpy_extension.image),
    ("_npx_", nd.numpy_extension._op), ("_np__random_", nd.numpy.random),
    ("", nd._internal), ("", nd.op), ("", nd), ("_random_", nd.random),
]  # fmt: skip


def parameters(name: str) -> list[str]:
    """The parameters of the function, without what all have."""
    places = [(module, name[len(start) :]) for start, module in PLACES if name.startswith(start)]
    function = next(getattr(module, inside) for module, inside in places if hasattr(module, inside))
    given = [p for p in inspect.signature(function).parameters.values() if p.kind != p.VAR_KEYWORD and p.name not in ("out", "name")]
    return ["*" * (p.kind == p.VAR_POSITIONAL) + p.name for p in given]


def main() -> None:
    """Write the file."""
    names = sorted(name for name in mx.operator.get_all_registered_operators() if "backward" not in name)
    lines = [f"{name}\t{operators.described(name)[0]}\t{' '.join(parameters(name))}" for name in names]
    (TESTS / "data" / "mxnet_1_9_1_registered.tsv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
