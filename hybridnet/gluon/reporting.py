"""``register_op_hook``: ``F`` as a block sees it while somebody wants to be told of every operator's result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

from hybridnet import ndarray
from hybridnet.name import NameManager
from hybridnet.ndarray.register import OPERATORS

#: ``callback(name, operator, array)``, and whether it is told of inputs as well.
OpHook = tuple[Callable[[str, str, Any], None], bool]


class Reporting:
    """The operators, or a namespace of them, each of which tells ``hooks`` of its result; names begin with ``prefix``."""

    def __init__(self, prefix: str, hooks: Sequence[OpHook], of: Any = ndarray, names: NameManager | None = None) -> None:
        self._prefix, self._hooks, self._of, self._names = prefix, hooks, of, names or NameManager()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._of, name)
        if isinstance(found, (ModuleType, SimpleNamespace)):
            return Reporting(self._prefix, self._hooks, found, self._names)
        operator = OPERATORS.get(getattr(found, "__name__", ""))
        if operator is None:
            return found

        def reported(*args: Any, **kwargs: Any) -> Any:
            node = self._prefix + self._names.get(kwargs.get("name"), operator.name.strip("_").lower())
            result = found(*args, **kwargs)
            inputs = {**dict(zip(operator.positions, args, strict=False)), **kwargs}
            outputs = result if isinstance(result, (list, tuple)) else [result]
            for callback, monitor_all in self._hooks:
                for key in operator.inputs if monitor_all else ():
                    if inputs.get(key) is not None:
                        callback(f"{node}_{key}", operator.name, inputs[key])
                for key, array in zip(operator.output_names(_attributes(operator, inputs)), outputs, strict=False):
                    callback(f"{node}_{key}", operator.name, array)
            return result

        return reported


def _attributes(operator: Any, given: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in given.items() if key in operator.attributes}
