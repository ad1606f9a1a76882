"""``SymbolBlock``: a block that computes a symbol, as one read from MXNet's files; its parameters are the symbol's variables."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from hybridnet import serialization, symbol
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.gluon.block import HybridBlock
from hybridnet.gluon.parameter import ParameterDict
from hybridnet.gluon.symbolic import flattened, is_symbolic
from hybridnet.initializer import REGISTRY
from hybridnet.symbol import Symbol, infer
from hybridnet.symbol.program import Computation


def _initializer(node: Any) -> str | None:
    """How a variable says that it begins; what is no initializer, as of an attribute that was meant for something else, says nothing."""
    text = node.attrs.get("__init__")
    return text if text is not None and (text.startswith("[") or text.lower() in REGISTRY.classes) else None


class SymbolBlock(HybridBlock):
    """Computes ``outputs``, a symbol or a list of them, from ``inputs``, the variables among their arguments that are given at a call.

    All other variables are parameters under their own names, taken from ``params`` where it has them; states have no gradient. One
    output comes alone, several as a list. ArgumentError for an input that is no variable.
    """

    def __init__(self, outputs: Any, inputs: Any, params: ParameterDict | None = None) -> None:
        super().__init__(prefix="", params=params)
        # Parameters have the names that the graph gives them, whatever block it stands in.
        self._prefix, self._params = "", ParameterDict("", params)
        self._graph = symbol.Group(flattened(outputs))
        self._single = isinstance(outputs, Symbol) and len(outputs) == 1
        given = flattened(inputs)
        for x in given:
            if not isinstance(x, Symbol) or len(x) != 1 or x._outputs[0].node.operator is not None:
                fail(ArgumentError, "SymbolBlock", expected="variables as inputs", got=repr(x), fix="sym.var(name)")
        self._input_names = [x.list_outputs()[0] for x in given]
        names = dict.fromkeys(self._input_names)
        variables = [*self._graph._arguments, *self._graph._states]
        types = infer.types(self._graph._outputs, self._graph._nodes, {}, "float32")
        known = infer.shapes(self._graph._outputs, self._graph._nodes, {}, self._graph._numpy)
        states = {id(node) for node in self._graph._states}
        for node in variables:
            if node.name not in names:
                req = "null" if id(node) in states else "write"
                shape = infer.shown(known.of(node), False) or None
                made = {"grad_req": req, "shape": shape, "dtype": types.of(node), "init": _initializer(node)}
                found = self.params.get(node.name, **made, allow_deferred_init=True)
                self._reg_params[node.name] = found
        inner = {node.name: node for node in variables}
        unused = [name for name in names if name not in inner]
        if unused:
            fail(ArgumentError, "SymbolBlock", expected=f"inputs among {', '.join(inner)}", got=", ".join(unused))
        self._computation = Computation(self._graph._outputs, [inner[name] for name in (*names, *self._reg_params)], self._graph._numpy)

    def _alias(self) -> str:
        return "symbolblock"

    def forward(self, x: Any, *args: Any) -> Any:  # type: ignore[override]
        """The outputs for arrays, or for symbols the symbol in which these take the inputs' places."""
        given = flattened((x, *args))
        if len(given) != len(self._input_names):
            expected = f"{len(self._input_names)} inputs: {', '.join(self._input_names)}"
            fail(ArgumentError, "SymbolBlock", expected=expected, got=str(len(given)))
        if is_symbolic((x,)):
            parameters: dict[str, Any] = {name: p.var() for name, p in self._reg_params.items()}
            composed = self._graph(**dict(zip(self._input_names, given, strict=True)), **parameters)
            return composed if self._single else list(composed)
        if type(given[0]) is not self._array_class:
            self._adopt(type(given[0]))
        results = self._computation(*given, *(p.data(given[0].device) for p in self._reg_params.values()))
        return results[0] if self._single else results

    def _as_symbol(self) -> tuple[Symbol, list[str]]:
        return self._graph, self._input_names

    def infer_shape(self, *args: Any) -> None:
        """Set the unknown shapes of parameters from those of the inputs."""
        shapes = {name: x.shape for name, x in zip(self._input_names, flattened(args), strict=True)}
        shapes |= {name: p.shape for name, p in self._reg_params.items() if p.shape is not None}
        numpy = self._graph._numpy
        found = infer.shapes(self._graph._outputs, self._graph._nodes, {k: infer.read(k, s, numpy) for k, s in shapes.items()}, numpy)
        for node in self._graph._variables:
            parameter = self._reg_params.get(node.name)
            if parameter is not None:
                shape = found.of(node)
                if shape is None or not infer.is_whole(shape):
                    fail(ShapeError, parameter.name, expected="a shape that follows from the inputs'", got=str(shape))
                parameter.shape = shape

    @staticmethod
    def imports(
        symbol_file: str | os.PathLike[str],
        input_names: str | Sequence[str],
        param_file: str | os.PathLike[str] | None = None,
        ctx: Any = None,
        allow_missing: bool = False,
        ignore_extra: bool = False,
    ) -> SymbolBlock:
        """A block of what ``HybridBlock.export`` wrote, here or in MXNet, or ``save_checkpoint``.

        ``input_names``: the variables that are given at a call. ``allow_missing``: parameters that ``param_file`` lacks stay uninitialized;
        ``ignore_extra``: it may hold more. FileFormatError otherwise, and for files that are none.
        """
        graph = symbol.load(symbol_file)
        names = [input_names] if isinstance(input_names, str) else list(input_names)
        block = SymbolBlock(graph, [symbol.var(name) for name in names])
        if param_file is not None:
            values = serialization.load_named(param_file)
            if any(name.startswith(("arg:", "aux:")) for name in values):
                values = {name.removeprefix("arg:").removeprefix("aux:"): x for name, x in values.items()}
            every = block.collect_params()
            every.load_dict(values, ctx, allow_missing, ignore_extra, filename=str(param_file), cast_dtype=True, dtype_source="saved")
        elif ctx is not None:
            block.reset_ctx(ctx)
        return block

    def __repr__(self) -> str:
        return f"{type(self).__name__}(\n{self._graph!r} : {len(self._input_names)} -> {len(self._graph)}\n)"
