"""What tests run in: the device, the environment, standard error, and repetitions of what may fail by chance."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import numpy

from hybridnet import config
from hybridnet.device import Device, current_device, num_gpus
from hybridnet.device.device import set_current_device
from hybridnet.errors import ArgumentError, fail

F = TypeVar("F", bound=Callable[..., Any])


def default_context() -> Device:
    """The device that tests run on, the current one."""
    return current_device()


def set_default_context(ctx: Any) -> None:
    """Make a device the current one of this thread, for all that follows."""
    set_current_device(Device(ctx))


def default_dtype() -> Any:
    """The dtype that tests use: float32."""
    return numpy.float32


def list_gpus() -> range:
    """The numbers of the GPUs that can be used."""
    return range(num_gpus())


def is_cd_run() -> bool:
    """Whether the variable ``CD_JOB`` says that this is a run of continuous delivery."""
    return config.is_set("CD_JOB")


def is_aarch64_run() -> bool:
    """Whether this is an ARM processor of 64 bits."""
    return platform.machine() in ("aarch64", "arm64")


def has_tvm_ops() -> bool:
    """Whether there are operators made by TVM: never."""
    return False


def is_op_runnable() -> bool:
    """Whether the operators that TVM would make run here: always, since others take their place."""
    return True


@contextlib.contextmanager
def environment(*args: Any) -> Iterator[None]:
    """A block in which environment variables have other values: ``environment(name, value)`` or ``environment({name: value, …})``.

    ``None`` takes a variable out. What was there before comes back. hybridnet's own settings are read once, at the import.
    """
    if len(args) not in (1, 2) or (len(args) == 1 and not isinstance(args[0], Mapping)):
        fail(ArgumentError, "environment", expected="a name and a value, or a dict of them", got=repr(args))
    values: Mapping[str, str | None] = {args[0]: args[1]} if len(args) == 2 else args[0]
    with config.variables(values):
        yield


@contextlib.contextmanager
def discard_stderr() -> Iterator[None]:
    """A block whose standard error goes nowhere, that of C code included."""
    sys.stderr.flush()
    before = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(before, 2)
        os.close(before)


def retry(n: int) -> Callable[[F], F]:
    """A decorator: a test that fails with an ``AssertionError`` is run again, ``n`` times in all."""
    if n < 1:
        fail(ArgumentError, "retry", expected="at least one run", got=repr(n))

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            for left in reversed(range(n)):
                try:
                    return function(*args, **kwargs)
                except AssertionError:
                    if not left:
                        raise
            return None

        return run  # type: ignore[return-value]

    return decorate


def assert_exception(f: Callable[..., Any], exception_type: type[BaseException], *args: Any, **kwargs: Any) -> None:
    """Fail unless ``f(*args, **kwargs)`` raises ``exception_type``; another error comes through."""
    try:
        f(*args, **kwargs)
    except exception_type:
        return
    raise AssertionError(f"{getattr(f, '__name__', f)} raised nothing; expected {exception_type.__name__}")
