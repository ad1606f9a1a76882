"""Every environment variable of hybridnet, declared once; nothing else reads ``os.environ``.

The README shows them in a table, which a test compares with ``SETTINGS``.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Setting:
    """One switch: the variable's name, its default, how its text is read, what it does."""

    variable: str
    default: Any
    parse: Callable[[str], Any]
    help: str


def _names(text: str) -> frozenset[str]:
    return frozenset(name for name in text.replace(",", " ").split() if name)


LIBRARIES = frozenset({"oneDNN", "numba", "cuDNN", "cuBLASLt"})


def _libraries(text: str) -> frozenset[str]:
    names = _names(text)
    if not names <= LIBRARIES:
        raise ValueError(text)
    return names


def _threads(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not number > 0:
        raise ValueError(text)
    return number


@dataclass(frozen=True)
class Budget:
    """An amount of memory: bytes, or a share of what a device has."""

    amount: float
    is_share: bool


def _budget(text: str) -> Budget:
    share = text.rstrip().endswith("%")
    number = float(text.rstrip().removesuffix("%")) / (100 if share else 1)
    if not 0 < number <= (1 if share else sys.float_info.max):
        raise ValueError(text)
    return Budget(number, share)


SETTINGS = {
    "debug": Setting(
        "HYBRIDNET_DEBUG",
        0,
        int,
        "1: verify the graph after every pass; 2: also print every compiled program; 3: also check every operator's result for NaN; "
        "4: also print what each pass changed",
    ),
    "disabled_passes": Setting(
        "HYBRIDNET_DISABLE_PASSES", frozenset(), _names, "names of graph passes to leave out, separated by commas, to bisect a wrong result"
    ),
    "disabled_libraries": Setting(
        "HYBRIDNET_DISABLE_LIBRARIES",
        frozenset(),
        _libraries,
        "names of libraries to leave out, separated by commas, to bisect a wrong result: oneDNN and numba on a CPU, cuDNN and cuBLASLt "
        "on a GPU",
    ),
    "threads": Setting(
        "HYBRIDNET_NUM_THREADS",
        None,
        _threads,
        "threads for large products, convolutions and pointwise regions on a CPU; as many as there are cores for this process, if not set",
    ),
    "block_bytes": Setting(
        "HYBRIDNET_BLOCK_BYTES",
        1 << 17,
        int,
        "bytes of one operand's block when a NumPy program runs a large pointwise region block by block",
    ),
    "tf32": Setting(
        "HYBRIDNET_TF32",
        False,
        lambda text: bool(int(text)),
        "1: float32 products and convolutions on a GPU may round their operands to TF32's 10 bits, which is faster",
    ),
    "autotune": Setting(
        "HYBRIDNET_AUTOTUNE",
        True,
        lambda text: bool(int(text)),
        "0: of the algorithms that cuBLASLt and cuDNN propose take the first, in place of the fastest of eight, which the first run of a "
        "program finds by timing and which is kept in `HYBRIDNET_CACHE_DIR`; on a CPU no convolution by Winograd's transform",
    ),
    "deterministic": Setting(
        "HYBRIDNET_DETERMINISTIC",
        False,
        lambda text: bool(int(text)),
        "1: the gradient of attention on a GPU adds in the same order every time, as all else in a CUDA graph does anyway; "
        "it takes longer and more memory",
    ),
    "fast_math": Setting(
        "HYBRIDNET_FAST_MATH",
        False,
        lambda text: bool(int(text)),
        "1: rewrites may change results of compiled functions in the last digits, in the sign of zero, and where numbers leave their "
        "type's range or are NaN: constant factors are gathered into one, x + 0 and a sum of one number are x, and on a GPU a relu joins "
        "the product before it, which turns NaN into 0; on a CPU with oneDNN a clip joins the convolution before it, which turns NaN into "
        "its lower bound",
    ),
    "winograd": Setting(
        "HYBRIDNET_WINOGRAD",
        True,
        lambda text: bool(int(text)),
        "0: on a CPU no 3 × 3 convolution is computed by Winograd's transform; else those of programs without gradients are where that is "
        "faster, by timing, which changes their last digits and makes NaN of infinities",
    ),
    "graph_branches": Setting(
        "HYBRIDNET_GRAPH_BRANCHES",
        True,
        lambda text: bool(int(text)),
        "0: the steps of a CUDA graph run one after another; else those that share no memory are on branches, and communication between "
        "ranks is on one of its own",
    ),
    "staging_kernel": Setting(
        "HYBRIDNET_STAGING_KERNEL",
        True,
        lambda text: bool(int(text)),
        "0: all arguments and results of a CUDA graph are copied one by one, before and after it; else the small ones by one launch each "
        "in the graph",
    ),
    "score_bytes": Setting(
        "HYBRIDNET_SCORE_BYTES",
        0,
        int,
        "on a GPU, the scores of a training step's softmax cross-entropy are computed, used and forgotten so many bytes of them at a time, "
        "in 16 bits, which takes less memory and somewhat longer; 0: all at once",
    ),
    "cache_dir": Setting("HYBRIDNET_CACHE_DIR", "~/.cache/hybridnet", str, "folder in which compiled kernels are kept"),
    "memory_budget": Setting(
        "HYBRIDNET_MEMORY_BUDGET",
        None,
        _budget,
        "bytes (`8e9`), or a share of the device's memory (`80%`), that a call of a compiled function may take, with its arguments and "
        "results: where it would take more, its backward computes again what it cannot keep, by the same operations; no limit, if not set",
    ),
    "max_programs": Setting(
        "HYBRIDNET_MAX_PROGRAMS",
        64,
        int,
        "programs that a compiled function keeps, one for each combination of shapes and modes; the oldest goes",
    ),
    "deadline": Setting(
        "HYBRIDNET_DEADLINE",
        300.0,
        _seconds,
        "seconds for which a rank of several waits for the others, in a sum and where all must agree: those that do not come are named, "
        "and all ranks end",
    ),
    "home": Setting(
        "MXNET_HOME",
        "~/.mxnet",
        str,
        "folder of downloaded data sets (`datasets/mnist` …) and of trained networks (`models/…`), which MXNet uses as well",
    ),
    "repository": Setting(
        "MXNET_GLUON_REPO",
        "https://apache-mxnet.s3-accelerate.dualstack.amazonaws.com/",
        str,
        "url of the folder from which data sets are downloaded, MXNet's own if it is not set",
    ),
}


#: Other libraries' variables for their number of threads: who sets one does not want more of ours either.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
#: Launchers' variables for the number of processes on this machine: Open MPI, MPICH and Intel MPI, MVAPICH, Slurm, torchrun.
RANK_VARIABLES = (
    "OMPI_COMM_WORLD_LOCAL_SIZE",
    "MPI_LOCALNRANKS",
    "MV2_COMM_WORLD_LOCAL_SIZE",
    "SLURM_NTASKS_PER_NODE",
    "LOCAL_WORLD_SIZE",
)

#: Launchers' variables for the number of all processes, the one that counts first: Open MPI, MPICH and Intel MPI, MVAPICH, Slurm, torchrun.
WORLD_VARIABLES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "WORLD_SIZE")


def numbers(variables: tuple[str, ...]) -> list[int]:
    """What others' variables say, those that are set to a positive number (or a list of them, of which the first counts)."""
    texts = [os.environ.get(variable, "").partition(",")[0].strip() for variable in variables]
    return [int(text) for text in texts if text.isdigit() and int(text)]


@contextlib.contextmanager
def variables(values: Mapping[str, str | None]) -> Iterator[None]:
    """A block in which the environment has these variables; ``None`` takes one out."""
    before = {name: os.environ.get(name) for name in values}
    set_environment(values)
    try:
        yield
    finally:
        set_environment(before)


def environment_of(variable: str) -> str | None:
    """The value of another's variable; ``None`` if it is not set."""
    return os.environ.get(variable)


def set_environment(values: Mapping[str, str | None]) -> None:
    """Give the environment these variables; ``None`` takes one out."""
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def is_set(variable: str) -> bool:
    """Whether one of others' variables says 1 or true."""
    return os.environ.get(variable, "").lower() in ("1", "true")


def one_thread() -> None:
    """Tell libraries that this process has not loaded yet to work on one thread."""
    for variable in THREAD_VARIABLES:
        os.environ[variable] = "1"


class Config:
    """The settings as attributes, read from the environment at import; tests may assign them."""

    debug: int
    disabled_passes: frozenset[str]
    disabled_libraries: frozenset[str]
    threads: int | None
    block_bytes: int
    cache_dir: str
    home: str
    max_programs: int
    memory_budget: Budget | None
    deadline: float
    tf32: bool
    autotune: bool
    winograd: bool
    graph_branches: bool
    staging_kernel: bool
    deterministic: bool
    fast_math: bool
    score_bytes: int
    repository: str

    def __init__(self) -> None:
        for name, setting in SETTINGS.items():
            text = os.environ.get(setting.variable)
            try:
                setattr(self, name, setting.default if text is None else setting.parse(text))
            except ValueError as error:
                raise ValueError(f"{setting.variable}={text!r} cannot be read: {setting.help}") from error


config = Config()
