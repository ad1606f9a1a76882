"""``HybridBlock``: a block that ``hybridize()`` compiles."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from hybridnet import autograd
from hybridnet import ndarray as F
from hybridnet.compile import Jit, jit
from hybridnet.core import Array
from hybridnet.errors import ArgumentError, SignatureError, check_call, fail
from hybridnet.gluon import shapes, symbolic
from hybridnet.gluon.block.base import Block, first_array
from hybridnet.gluon.reporting import Reporting
from hybridnet.owned import OwnedMethod
from hybridnet.runtime.check import Checked
from hybridnet.runtime.profile import Profile
from hybridnet.symbol import Symbol


class HybridBlock(Block):
    """A block that can run imperatively or, after ``hybridize()``, as a compiled program.

    Define ``forward(self, x)`` over ``np`` and ``npx``, or ``hybrid_forward(self, F, x, weight)``:
    ``F`` holds the operators, and the parameters come by their attributes' names.
    """

    _active = False
    _array_class: type[Any] | None = None  # of the inputs, which the parameters' arrays follow

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # A subclass that overrides hybrid_forward means it to be used, whatever its base's style.
        super().__init_subclass__(**kwargs)
        if "hybrid_forward" in cls.__dict__ and "forward" not in cls.__dict__:
            cls.forward = HybridBlock.forward  # type: ignore[method-assign]

    def forward(self, x: Any, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """Call :meth:`hybrid_forward` with the operators and, on the input's device, the parameters.

        With symbols in place of arrays it gives a symbol, whose parameters are variables.
        """
        if not isinstance(x, Array) and symbolic.is_symbolic((x, *args)):
            return symbolic.forward(self, (x, *args), kwargs)
        operators = F if not self._op_hooks else Reporting(self._prefix, self._op_hooks)
        if not self._reg_params:
            return self.hybrid_forward(operators, x, *args, **kwargs)
        first = x if isinstance(x, Array) else first_array((x, *args), self)
        if type(first) is not self._array_class:
            self._adopt(type(first))
        device = first._device
        for name, parameter in self._reg_params.items():
            kwargs[name] = parameter.data(device)
        return self.hybrid_forward(operators, x, *args, **kwargs)

    def _check_inputs(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        style, own = self._style(), self._reg_params
        if style is not type(self).hybrid_forward:
            super()._check_inputs(args, kwargs)
            return
        takes = inspect.signature(style).parameters
        if not any(p.kind is p.VAR_KEYWORD for p in takes.values()) and (lacks := [name for name in own if name not in takes]):
            fail(
                SignatureError,
                type(self).__name__,
                expected=f"hybrid_forward to take the block's parameters by name, also {', '.join(lacks)}",
                got=f"({', '.join(takes)})",
            )
        check_call(type(self).__name__, self.hybrid_forward, args, kwargs, {*list(takes)[1:2], *own})

    def infer_shape(self, *args: Any) -> None:
        """Set the unknown shapes of its own parameters: those that the operators in :meth:`hybrid_forward` tell."""
        if type(self).hybrid_forward is not HybridBlock.hybrid_forward:
            shapes.infer(self, args, first_array(args, self))
        super().infer_shape(*args)

    def infer_type(self, *args: Any) -> None:
        """Set the element types of parameters made with ``dtype=None``, its own and its children's, from those of the inputs."""
        found = symbolic.types(self, [x.dtype for x in args])
        for name, parameter in self.collect_params().items():
            if parameter._takes_dtype and found.get(name) is not None:
                parameter.dtype = found[name]

    def hybrid_forward(self, F: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        """What the block computes, in MXNet 1.x's style."""
        raise NotImplementedError(f"{type(self).__name__}.forward(self, *inputs), or hybrid_forward(self, F, *inputs)")

    def _as_symbol(self) -> tuple[Symbol, list[str]]:
        """What it computes, and the names of the variables that stand for its inputs."""
        return symbolic.traced(self)

    def _style(self) -> Callable[..., Any]:
        """The function that says what it computes: ``hybrid_forward``, or a ``forward`` of its own."""
        own = type(self).forward
        return type(self).hybrid_forward if own is HybridBlock.forward else own

    def _step_name(self) -> str:
        """What the names of a call's nodes begin with, after the prefix, where it is one of many in a symbol."""
        return ""

    def _adopt(self, cls: type[Any]) -> None:
        for parameter in self._reg_params.values():
            parameter._adopt(cls)
        self._array_class = cls

    # -- compiling ------------------------------------------------------------------------------

    def hybridize(self, active: bool = True, static_alloc: bool = False, static_shape: bool = False, **kwargs: Any) -> None:
        """Compile this block at its next call, for each new combination of shapes, dtypes and modes.

        The outermost active block compiles everything below it into one program. Memory is always
        planned ahead: MXNet's ``static_alloc``, ``static_shape`` and further options change nothing.
        ``active=False`` makes it imperative again.
        """
        self._active = bool(active)
        self._compiled = self._jit() if self._active else None
        self._sparse = None
        self._ready = self._plain = False  # programs that contain this block's operators are as they were
        super().hybridize(active, static_alloc=static_alloc, static_shape=static_shape, **kwargs)

    def _clear_cached_op(self) -> None:
        """Compile anew at the next call, in programs that contain this block too: networks written for MXNet ask for it by this name
        when they have changed what their ``hybrid_forward`` reads."""
        if self._active:
            self._compiled = self._jit()
        self._note_change("what it computes")

    def _jit(self) -> Jit:
        return jit(OwnedMethod(self._run), name=self._label)

    def register_op_hook(self, callback: Callable[[str, str, Any], None], monitor_all: bool = False) -> None:
        super().register_op_hook(callback, monitor_all)
        self._op_hooks = (*self._op_hooks, (callback, monitor_all))
        self._note_change("hooks")

    def optimize_for(self, x: Any, *args: Any, backend: str | None = None, clear: bool = False, **kwargs: Any) -> None:
        """Hybridize, for inputs like these: they find the shapes of parameters. There is one back end, whatever ``backend`` is called."""
        if not backend:
            fail(ArgumentError, "optimize_for", expected="the name of a backend", got=repr(backend), fix="hybridize()")
        self.hybridize(True, **kwargs)
        self.graph(x, *args)

    def export(self, path: str, epoch: int = 0, remove_amp_cast: bool = True) -> tuple[str, str]:
        """Write the network for MXNet and for ``SymbolBlock.imports``: ``path-symbol.json`` and ``path-0000.params``.

        ``epoch`` is the number in the latter's name. The graph has as many inputs as the network was last called with when hybridized,
        else as many as its forward needs: ``data``, or ``data0``, ``data1`` and so on. Gives the names of both files. Raises
        what a parameter without values raises, and what operators raise that cannot be given a symbol.
        """
        return symbolic.export(self, path, epoch, remove_amp_cast)

    def graph(self, *args: Any, stage: str = "optimized") -> Any:
        """The graph of a call with these inputs, in the mode of now; it prints.

        ``stage``: ``"traced"``, ``"optimized"``, ``"lowered"`` or ``"backward"``; see :meth:`hybridnet.compile.Jit.graph`.
        """
        return (self._compiled or self._jit()).graph(*args, stage=stage)

    def program(self, *args: Any) -> str:
        """The text of the compiled program of a call with these inputs."""
        return (self._compiled or self._jit()).program(*args)

    def explain(self, *args: Any, html: str | Path | None = None, train: bool = False, profile: bool = False) -> str:
        """How a call with these inputs runs: in how many CUDA graphs, which operators stand between them, and why.

        ``html``: a file for a page that shows it, with ``profile`` with the time of each step. ``train``: as under ``autograd.record()``,
        with the backward. See :meth:`hybridnet.compile.Jit.explain`.
        """
        compiled = self._compiled or self._jit()
        with autograd.record() if train else nullcontext():
            return compiled.explain(*args, html=html, profile=profile)

    def memory(self, *args: Any) -> Any:
        """What the memory plan of a call with these inputs comes to: planned bytes, naive bytes, the largest values."""
        return (self._compiled or self._jit()).memory(*args)

    def profile(self, *args: Any, train: bool = False) -> Profile:
        """Each step of a call with these inputs timed alone, in the mode of now; prints as a table.

        ``train``: as under ``autograd.record()``, with the steps of the backward after those of the forward. Parameters
        and random state stay as they are. See :meth:`hybridnet.compile.Jit.profile`.
        """
        compiled = self._compiled or self._jit()
        with autograd.record() if train else nullcontext():
            return compiled.profile(*args)

    def check(self, *args: Any, train: bool = False) -> list[Checked]:
        """Hold the compiled program of a call with these inputs against the operators done one by one; an error if they differ.

        ``train``: as under ``autograd.record()``, with the backward. See :meth:`hybridnet.compile.Jit.check`.
        """
        compiled = self._compiled or self._jit()
        with autograd.record() if train else nullcontext():
            return compiled.check(*args)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_compiled": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._active:
            self._compiled = self._jit()
