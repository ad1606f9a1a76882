"""What MXNet 1.9.1 says of symbols. Run where MXNet is, as ``tests/support/mxnet_operators.py``.

It writes into ``tests/data``: ``mxnet_1_9_1_symbol_types.tsv`` (an operator, its attributes, dtypes given; dtypes of arguments,
outputs and states), ``mxnet_1_9_1_symbol_values.jsonl`` (inputs' shapes; of outputs and gradients two numbers each), and
``mxnet_1_9_1_symbols.json.gz`` (random symbols' files, names, shapes and values; hashes of the zoo's files).
"""

import gzip
import hashlib
import json
import os
import pathlib
import sys
from collections.abc import Callable

os.environ["MXNET_ENGINE_TYPE"] = "NaiveEngine"  # without threads, so that it can be forked
import mxnet as mx

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))
from support import mxnet_operators as operators  # noqa: E402
from support import symbol_programs, symbol_values  # noqa: E402

DATA = TESTS / "data"

#: Operators whose results are random, or that read states of their own.
RANDOM = ("_random", "_sample", "Dropout", "_shuffle", "_image_random", "Custom", "_copyto")

ZOO = (
    "resnet18_v1", "resnet50_v1", "resnet18_v2", "resnet50_v2", "vgg11_bn", "alexnet", "densenet121", "squeezenet1.0", "inceptionv3",
    "mobilenet0.25", "mobilenetv2_0.5",
)  # fmt: skip


def cases() -> list:
    """Operators, attributes and shapes: those of ``mxnet_operators``, and of all others with what they require."""
    found = [(name, attributes, shapes) for name, attributes, shapes in operators.SHAPES]
    canonical = {operators.described(name)[0] for name in operators.names()}
    asked = {name for name, _, _ in found}
    for own in sorted(canonical - asked):
        if not own.startswith(operators.OTHERS) and not own.endswith(operators.NO_SYMBOL):
            parameters = operators.described(own)[1]
            arrays = [key for key, kind in parameters if kind.startswith("NDArray") and "[]" not in kind]
            needed = {key: operators.sample(own, key, kind) for key, kind in parameters if "required" in kind and key not in arrays}
            found.append((own, needed, dict.fromkeys(arrays[:2], (3, 3))))
    return found


def types() -> list[str]:
    lines = []
    for name, attributes, _ in cases():
        try:
            made = operators.symbol(name, attributes)
        except mx.MXNetError:
            continue
        arguments = made.list_arguments()
        short = [x.split("_", 2)[-1] for x in arguments]
        for which in ({}, {0: "float16"}, {0: "int32"}, {1: "float64"}):
            if all(i < len(arguments) for i in which):
                try:
                    found = made.infer_type_partial(**{arguments[i]: t for i, t in which.items()})
                except mx.MXNetError:
                    continue
                given = {short[i]: t for i, t in which.items()}
                named = [[None if t is None else t.__name__ for t in part] for part in found]
                texts = {key: str(value) for key, value in attributes.items()}
                lines.append("\t".join([name, *(json.dumps(x) for x in (texts, given, *named))]))
    return sorted(set(lines))


def value(name: str, attributes: dict, shapes: dict) -> str:
    made = operators.symbol(name, attributes)
    executor = made.simple_bind(mx.cpu(), **{f"__{key}": shape for key, shape in shapes.items()})
    arrays = {**executor.arg_dict, **executor.aux_dict}
    for key, array in arrays.items():
        array[:] = symbol_values.values(name, key.split("_", 2)[-1], array.shape)
    outputs = executor.forward(is_train=True)
    found = [symbol_values.digest(y.asnumpy()) for y in outputs]
    gradients: dict | str = {}
    try:
        executor.backward([mx.nd.array(symbol_values.weights(y.shape), dtype=y.dtype) for y in outputs])
        gradients = {k.split("_", 2)[-1]: symbol_values.digest(g.asnumpy()) for k, g in executor.grad_dict.items() if g is not None}
    except mx.MXNetError:
        gradients = {}
    texts = {key: str(v) for key, v in attributes.items()}
    inputs = {key.split("_", 2)[-1]: list(a.shape) for key, a in arrays.items()}
    states = {key.split("_", 2)[-1]: symbol_values.digest(a.asnumpy()) for key, a in executor.aux_dict.items()}
    shown = {key: shape for key, shape in shapes.items() if key in inputs}
    return json.dumps([name, texts, shown, inputs, [list(y.shape) for y in outputs], found, gradients, states])


def in_process(function: Callable[..., str], *args: object) -> list[str]:
    """What a function gives, called in a process of its own: some operators end it."""
    got, put = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(put, function(*args).encode())
        except Exception as error:
            print("no values of", args[0], str(error).splitlines()[-1][:90] if str(error) else "")
        sys.stdout.flush()
        os._exit(0)
    os.close(put)
    with os.fdopen(got) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return [text] if text else []


def programs() -> list[dict]:
    found = []
    for seed in range(symbol_programs.COUNT):
        with mx.name.NameManager():
            made = symbol_programs.program(mx.sym, seed)
        executor = made.simple_bind(mx.cpu(), data=(4, 6))
        for key, array in {**executor.arg_dict, **executor.aux_dict}.items():
            array[:] = symbol_values.values("program", key, array.shape)
        outputs = executor.forward(is_train=True)
        executor.backward([mx.nd.array(symbol_values.weights(y.shape)) for y in outputs])
        shapes = made.infer_shape(data=(4, 6))
        found.append({
            "json": made.tojson(), "internals": made.get_internals().list_outputs(), "attributes": made.attr_dict(),
            "debug": made.debug_str(),
            "shapes": shapes, "types": [[t.__name__ for t in part] for part in made.infer_type(data="float32")],
            "outputs": [symbol_values.digest(y.asnumpy()) for y in outputs],
            "gradients": {key: symbol_values.digest(g.asnumpy()) for key, g in executor.grad_dict.items()},
            "states": {key: symbol_values.digest(a.asnumpy()) for key, a in executor.aux_dict.items()},
        })  # fmt: skip
    return found


def ran(symbol: mx.sym.Symbol, arrays: dict) -> tuple[list, dict]:
    """Outputs and gradients; none of loops that MXNet cannot differentiate, neither of those whose shapes it cannot tell."""
    try:
        executor = symbol.bind(mx.cpu(), arrays, {key: mx.nd.zeros(a.shape) for key, a in arrays.items()})
        outputs = [y.asnumpy() for y in executor.forward(is_train=True)]
        executor.backward([mx.nd.array(symbol_values.weights(y.shape)) for y in outputs])
        return outputs, {key: symbol_values.digest(g.asnumpy()) for key, g in zip(arrays, executor.grad_arrays, strict=True)}
    except mx.MXNetError:
        try:
            return [y.asnumpy() for y in symbol.eval(**arrays)], {}
        except mx.MXNetError:
            return [], {}


def loops() -> dict[str, dict]:
    found = {}
    with mx.name.NameManager():
        made = symbol_programs.loops(mx.sym)
    for name, (symbol, shapes) in made.items():
        known = symbol.infer_shape(**shapes)  # of while_loop and cond MXNet finds none
        every = dict(zip(symbol.list_arguments(), known[0], strict=True)) if known[0] is not None else shapes
        arrays = {key: mx.nd.array(symbol_values.values("loops", key, every[key])) for key in symbol.list_arguments()}
        outputs, gradients = ran(symbol, arrays)
        found[name] = {
            "json": symbol.tojson(), "arguments": symbol.list_arguments(), "names": symbol.list_outputs(),
            "shapes": known,
            "outputs": [symbol_values.digest(y) for y in outputs],
            "gradients": gradients,
        }  # fmt: skip
    return found


def zoo() -> dict[str, str]:
    found = {}
    for name in ZOO:
        with mx.name.NameManager():
            net = mx.gluon.model_zoo.vision.get_model(name)
            found[name] = hashlib.sha256(net(mx.sym.var("data")).tojson().encode()).hexdigest()
    return found


def layers() -> dict[str, str]:
    found = {}
    for name, make in symbol_programs.layers(mx.gluon).items():
        with mx.name.NameManager():
            found[name] = symbol_programs.layer_text(mx.sym, make, name)
    return found


def exported() -> list:
    """A small network, exported: ``mxnet_1_9_1_exported-symbol.json`` and its parameters; gives the input and what it gives."""
    with mx.name.NameManager():
        nn = mx.gluon.nn
        net = nn.HybridSequential()
        net.add(nn.Conv2D(3, 3, activation="relu"), nn.BatchNorm(), nn.MaxPool2D(), nn.Dense(4, activation="tanh"), nn.Dropout(0.5))
        net.add(mx.gluon.nn.LayerNorm(), nn.Dense(2))
    mx.random.seed(0)
    net.initialize(mx.init.Xavier())
    net.hybridize()
    x = symbol_values.values("export", "data", (2, 1, 8, 8))
    y = net(mx.nd.array(x)).asnumpy()
    net.export(str(DATA / "mxnet_1_9_1_exported"))
    return y.tolist()


def main() -> None:
    (DATA / "mxnet_1_9_1_symbol_types.tsv").write_text("\n".join(types()) + "\n")
    lines = []
    for name, attributes, shapes in cases():
        if (not name.startswith(RANDOM) and not name.endswith("_like")) or name in ("zeros_like", "ones_like"):
            lines += in_process(value, name, attributes, shapes)
    (DATA / "mxnet_1_9_1_symbol_values.jsonl").write_text("\n".join(lines) + "\n")
    kept = json.dumps({"programs": programs(), "zoo": zoo(), "loops": loops(), "layers": layers(), "exported": exported()}).encode()
    (DATA / "mxnet_1_9_1_symbols.json.gz").write_bytes(gzip.compress(kept, mtime=0))


if __name__ == "__main__":
    main()
