"""``ParameterDict``: parameters by name, made on demand, shared between blocks, saved and loaded together."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any

from hybridnet import initializer, serialization
from hybridnet.core import asarray
from hybridnet.device import Device
from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon.parameter.constant import Constant
from hybridnet.gluon.parameter.loading import load_values
from hybridnet.gluon.parameter.parameter import Parameter


class ParameterDict:
    """Parameters by full name. ``get`` puts ``prefix`` before names and looks in ``shared`` first."""

    def __init__(self, prefix: str = "", shared: ParameterDict | None = None) -> None:
        self._prefix = prefix
        self._params: dict[str, Parameter] = {}
        self._shared = shared
        self.structure: dict[str, Parameter] = {}  # by place (``0.weight``), where a block collected them

    def __repr__(self) -> str:
        lines = "\n".join(f"  {p}" for p in self.values())
        return f"{self._prefix} (\n{lines}\n)" if lines else f"{self._prefix} ()"

    def __getitem__(self, key: str) -> Parameter:
        return self._params[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._params)

    def __len__(self) -> int:
        return len(self._params)

    def __contains__(self, key: object) -> bool:
        return key in self._params

    def items(self) -> ItemsView[str, Parameter]:
        """Names, prefix included, with their parameters, in the order in which they were made."""
        return self._params.items()

    def keys(self) -> KeysView[str]:
        """The names, prefix included."""
        return self._params.keys()

    def values(self) -> ValuesView[Parameter]:
        """The parameters, in the order in which they were made."""
        return self._params.values()

    @property
    def prefix(self) -> str:
        """What stands before the names given to :meth:`get`."""
        return self._prefix

    # -- making parameters ----------------------------------------------------------------------

    def _find(self, name: str) -> Parameter | None:
        if name not in self._params and self._shared is not None and (found := self._shared._find(name)) is not None:
            self._params[name] = found
        return self._params.get(name)

    def get(self, name: str, **kwargs: Any) -> Parameter:
        """The parameter ``prefix + name``; if there is none, one made with these arguments of ``Parameter``.

        The arguments given must fit a parameter that is there already.
        """
        full = self._prefix + name
        found = self._find(full)
        if found is None:
            found = self._params[full] = Parameter(full, **kwargs)
            found._in_dict = True
            return found
        if (shape := kwargs.pop("shape", None)) is not None:
            found.shape = (shape,) if isinstance(shape, int) else shape
        if "dtype" in kwargs:
            kwargs["dtype"] = Parameter(dtype=kwargs["dtype"]).dtype
        for key, value in kwargs.items():
            stored = getattr(found, key, None)
            if key == "init" and stored is None:
                found.init = value
            elif value is not None and stored is not None and stored != value:
                fail(ArgumentError, full, expected=f"{key}={stored!r}, as the shared parameter has it", got=repr(value))
        return found

    def get_constant(self, name: str, value: Any = None) -> Constant:
        """The constant ``prefix + name``; if there is none, one made of ``value``."""
        full = self._prefix + name
        found = self._find(full)
        if found is None:
            if value is None:
                fail(ArgumentError, full, expected="the value of a new constant", got="None")
            found = self._params[full] = Constant(full, value)
            found._in_dict = True
        if not isinstance(found, Constant):
            fail(ArgumentError, full, expected="a constant", got=str(found))
        if value is not None and not (asarray(value).shape == found.value.shape and bool((asarray(value) == found.value).all())):
            fail(ArgumentError, full, expected=f"the value that the constant has, {found.value}", got=str(value))
        return found

    def _take(self, name: str, parameter: Parameter) -> None:
        """Enter a parameter that was made elsewhere and assigned to attribute ``name``; it gets its full name here, once."""
        if not parameter._in_dict:
            full = self._prefix + parameter.name.removeprefix(self._prefix)
            parameter.name = full if full not in self._params else self._prefix + name
            parameter._in_dict = True
        if parameter.name not in self._params:
            self._params[parameter.name] = parameter

    def _rename(self, old: str, new: str) -> None:
        """Put the prefix ``new`` in the place of ``old``."""
        renamed = {}
        for parameter in self._params.values():
            parameter.name = new + parameter.name.removeprefix(old) if parameter.name.startswith(old) else parameter.name
            renamed[parameter.name] = parameter
        self._prefix, self._params = new, renamed

    def update(self, other: ParameterDict | Mapping[str, Parameter]) -> None:
        """Take in the parameters of ``other``; one name may not stand for two."""
        for name, parameter in other.items():
            if self._params.setdefault(name, parameter) is not parameter:
                fail(
                    ArgumentError,
                    name,
                    expected="one parameter of that name",
                    got=f"two: {self._params[name]} and {parameter}",
                    fix="making the blocks in `with self.name_scope():`, or giving them different prefixes",
                )

    # -- all of them at once --------------------------------------------------------------------

    def initialize(self, init: Any = None, ctx: Any = None, verbose: bool = False, force_reinit: bool = False) -> None:
        """Initialize every parameter: by its own initializer if it has one, else by ``init`` (uniform on ±0.07)."""
        chosen = initializer.create(init if init is not None else initializer.Uniform())
        for parameter in self.values():
            parameter.initialize(None, ctx, chosen, force_reinit)
            if verbose:
                print(f"{parameter} <- {parameter.init or chosen}")

    def zero_grad(self) -> None:
        """Set all gradients to zero."""
        for parameter in self.values():
            parameter.zero_grad()

    def reset_ctx(self, ctx: Any) -> None:
        """Move all to one device or several."""
        for parameter in self.values():
            parameter.reset_ctx(ctx)

    reset_device = reset_ctx

    def list_ctx(self) -> list[Device]:
        """The devices that any of them lies on."""
        return list(dict.fromkeys(device for parameter in self.values() for device in parameter.list_ctx()))

    list_device = list_ctx

    def setattr(self, name: str, value: Any) -> None:
        """Set an attribute of every parameter, ``grad_req`` say."""
        for parameter in self.values():
            setattr(parameter, name, value)

    # -- files ----------------------------------------------------------------------------------

    def save(self, filename: str, strip_prefix: str = "") -> None:
        """Write all values to a file, by full names less ``strip_prefix``."""
        arrays = {}
        for name, parameter in self.items():
            if not name.startswith(strip_prefix):
                fail(
                    ArgumentError,
                    "save",
                    expected=f"names that begin with {strip_prefix!r}",
                    got=repr(name),
                    fix="save_parameters of the block",
                )
            arrays[name[len(strip_prefix) :]] = parameter._reduce()
        serialization.save(filename, arrays)

    def load(
        self,
        filename: str,
        ctx: Any = None,
        allow_missing: bool = False,
        ignore_extra: bool = False,
        restore_prefix: str = "",
        cast_dtype: bool = False,
        dtype_source: str = "current",
    ) -> None:
        """Read values from a file; ``restore_prefix`` is put before its names. All or nothing is loaded."""
        loaded = serialization.load_named(filename)
        self.load_dict(loaded, ctx, allow_missing, ignore_extra, restore_prefix, filename, cast_dtype, dtype_source)

    def load_dict(
        self,
        param_dict: Mapping[str, Any],
        ctx: Any = None,
        allow_missing: bool = False,
        ignore_extra: bool = False,
        restore_prefix: str = "",
        filename: str | None = None,
        cast_dtype: bool = False,
        dtype_source: str = "current",
    ) -> None:
        """Take values from a dict of arrays by name, as :meth:`load` does from a file."""
        outside = next((name for name in self if not name.startswith(restore_prefix)), None)
        if outside is not None:
            fail(
                ArgumentError,
                "load",
                expected=f"parameters whose names begin with {restore_prefix!r}",
                got=repr(outside),
                fix="load_parameters of the block",
            )
        values = {restore_prefix + name.removeprefix("arg:").removeprefix("aux:"): value for name, value in param_dict.items()}
        load_values(
            self._params,
            values,
            filename or "the given dict",
            ctx=ctx,
            allow_missing=allow_missing,
            ignore_extra=ignore_extra,
            cast_dtype=cast_dtype,
            dtype_source=dtype_source,
        )
