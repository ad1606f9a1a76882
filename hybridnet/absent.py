"""Names of MXNet's public surface that are not here yet: what to say of each, and what to use instead.

A package that lacks some gives itself ``__getattr__ = absent.teller(__name__)``. The table is read when a name is
looked up that is not there, never before; one that has come since is simply found. Names that are there, but of a module that
not every program needs, are imported in the same way, at the first look-up (:class:`Later`).
"""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Callable, Mapping
from opcode import opmap
from types import FrameType, ModuleType
from typing import Any

from hybridnet.errors import HybridnetError, message


class AbsentError(HybridnetError, AttributeError):
    """A name that a module does not have: one of MXNet's that is not there yet, or a misspelt one."""


class AbsentImportError(HybridnetError, ImportError):
    """The same in ``from hybridnet import name``."""


#: module -> (names, what to use instead; "" where there is nothing yet).
_ABSENT: dict[str, list[tuple[str, str]]] = {
    "hybridnet": [
        ("notebook rtc th torch tvmop", ""),
    ],
    "hybridnet.base": [
        ("MXCallbackList ctypes2buffer ctypes2numpy_shared", "no C library: all is Python"),
        ("c2pyerror get_last_ffi_error libinfo add_fileline_to_docstring", "no C library: all is Python"),
    ],
    "hybridnet.amp": [
        ("lists", "amp.list_lp16_ops, list_fp32_ops and list_lp16_fp32_ops"),
    ],
    "hybridnet.contrib": [
        ("quant", ""),
    ],
    "hybridnet.io": [
        ("utils", "hybridnet.io"),
    ],
    "hybridnet.gluon.contrib.estimator": [("utils", "hybridnet.gluon.contrib.estimator")],
    "hybridnet.test_utils": [
        ("mx", "import hybridnet as mx"),
    ],
    "hybridnet.ndarray": [
        ("CachedOp", "hybridnet.jit"),
        ("imdecode", "hybridnet.image.imdecode"),
    ],
    "hybridnet.ndarray.contrib": [
        ("backward_hawkesll", "autograd: it is a gradient's part, which takes no arrays in MXNet's Python either"),
    ],
    "hybridnet.numpy": [
        ("mirr npv ppmt pv rate", "the package numpy_financial: NumPy has them no more"),
    ],
}  # fmt: skip


#: module -> name -> what it is of another module, for programs that look for it there; none until :func:`lend` is called.
_LENT: dict[str, Mapping[str, str]] = {}


def lend(names: Mapping[str, Mapping[str, str]]) -> None:
    """Have modules with a :func:`teller` show names of others': for each module what a name is, as ``sources`` of :class:`Later` say."""
    _LENT.update(names)


def _found(source: str) -> Any:
    """A module, or with ``module:name`` what that is in it."""
    module, _, inside = source.partition(":")
    found = importlib.import_module(module)
    return getattr(found, inside) if inside else found


_INTERNAL = [
    ("_foreach _while_loop _cond", "contrib.foreach, contrib.while_loop and contrib.cond, which make such nodes"),
    ("_CachedOp* CachedOp _imperative_invoke", "hybridnet.jit, or the operators themselves"),
    ("_CustomFunction", "autograd.Function"),
    ("_NDArray _Native", "Custom, with an operator.CustomOp"),
    ("_sg_mkldnn_* _CrossDeviceCopy _NoGradient", "the network as it is written: such nodes are of no graph here"),
    ("_backward_* _broadcast_backward _split_v2_backward", "autograd: gradients' parts are no operators of their own"),
    ("_imdecode", "image.imdecode"),
    ("_set_*_class", "no classes are to be told"),
]
_ABSENT |= {"hybridnet.ndarray._internal": _INTERNAL, "hybridnet.symbol._internal": _INTERNAL}
#: What any module of MXNet's may show of its C library.
_LIBRARY = ("_LIB check_call *Handle _new_*_handle c_array_buf c_handle_array c_str c_str_array ctypes", "no C library: all is Python")


class Later:
    """Names of a package that are imported when they are first looked up: ``__getattr__, __dir__ = Later(...).functions``.

    ``sources``: for each name the module that it is, or ``module:name`` of what it is in one. Any other is an error, as of
    :func:`teller`.
    """

    def __init__(self, module: str, sources: Mapping[str, str]) -> None:
        self.module = module
        self.sources = sources
        self.others = teller(module)

    @property
    def functions(self) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
        """The package's ``__getattr__`` and ``__dir__``."""

        def get(name: str) -> Any:
            if name not in self.sources:
                return self.others(name)
            value = _found(self.sources[name])
            setattr(sys.modules[self.module], name, value)
            return value

        return get, lambda: sorted({*vars(sys.modules[self.module]), *self.sources})


def namespace(name: str, text: str, names: Mapping[str, Any], sources: Mapping[str, str] = {}) -> ModuleType:
    """A module of that name that no file has: ``names``, and ``sources`` as of :class:`Later`. It can be imported from."""
    made = ModuleType(name, text)
    vars(made).update(names)
    sys.modules[name] = made
    vars(made)["__getattr__"], vars(made)["__dir__"] = Later(name, sources).functions
    return made


def teller(module: str) -> Callable[[str], Any]:
    """The ``__getattr__`` of ``module``: gives what is lent to it, else raises, with what is known of the name."""

    def tell(name: str) -> Any:
        if name in _LENT.get(module, ()):
            return _found(_LENT[module][name])
        if name.startswith("__"):  # Python's own questions
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        frame = sys._getframe(1)
        while frame.f_code.co_filename == __file__ and frame.f_back is not None:
            frame = frame.f_back
        raise (AbsentImportError if is_import(frame) else AbsentError)(_text(module, name))

    return tell


def is_import(frame: FrameType) -> bool:
    """Whether what a frame is doing is ``from module import name``."""
    return frame.f_code.co_code[frame.f_lasti] == opmap["IMPORT_FROM"]


def _text(module: str, name: str) -> str:
    known = _known(module, name)
    if known is not None:
        return message(f"{module}.{name}", expected="a name that is there", got="one of MXNet's that is not there yet", fix=known)
    near = difflib.get_close_matches(name, [n for n in dir(sys.modules[module]) if not n.startswith("_")], 3)
    return message(f"{module}.{name}", expected=f"a name of {module}", got=repr(name), fix=" or ".join(near))


def _known(module: str, name: str) -> str | None:
    """What to use instead of a name of MXNet's; ``None`` for one that it has not either."""
    for names, instead in (*_ABSENT.get(module, ()), _LIBRARY):
        for pattern in names.split():
            start, star, end = pattern.partition("*")
            if name == pattern or (star and name.startswith(start) and name.endswith(end)):
                return instead
    return None
