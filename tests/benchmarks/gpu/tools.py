"""The toolkit's own tools over our kernels, where they are: compute-sanitizer over the kernel cases, ncu over an uncaptured step.

    python -m gpu.tools FOLDER sanitize
    python -m gpu.tools FOLDER ncu

*sanitize*: all cases of ``tests/support/kernel_cases.py`` under memcheck, racecheck and synccheck, a process a tool; where one complains, each case
by itself. Arrays come from the driver one by one, so that memcheck sees accesses beside them. *ncu*: the kernels of GPT-2's and ResNet-50's
first step, which are launched one by one: time, bytes, share of the bandwidth, occupancy and registers of each, as CSV. A tool that is not
there is no error, and is said.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from support import kernel_cases

import hybridnet as hn
from gpu.findings import Findings
from gpu.isolated import chosen, options
from gpu.peer_hybridnet import BUILDERS
from gpu.process import command, end_all, ends_on_request, finished, tail
from gpu.sizes import SIZES
from hybridnet import autograd
from hybridnet.device import cuda

FOLDERS = ("/usr/local/cuda/bin", "/usr/local/cuda/compute-sanitizer", "/opt/nvidia/nsight-compute")
CHECKS = ("memcheck", "racecheck", "synccheck")
AT_ONCE = 3
SECONDS = 120  # of one process
STEPS = ("gpt2", "resnet")
METRICS = (
    "gpu__time_duration.sum",
    "dram__bytes_read.sum",
    "dram__bytes_write.sum",
    "gpu__dram_throughput.avg.pct_of_peak_sustained_elapsed",
    "sm__throughput.avg.pct_of_peak_sustained_elapsed",
    "sm__warps_active.avg.pct_of_peak_sustained_active",
    "launch__registers_per_thread",
)


def tool(name: str) -> str | None:
    """Where a tool lies, on the PATH or in the toolkit's folders."""
    found = shutil.which(name)
    lying = [path for folder in FOLDERS for path in Path(folder).glob(f"**/{name}") if path.is_file()]
    return found or min(map(str, lying), key=len, default=None)


# -- what runs under a tool -----------------------------------------------------------------------------


def run_kernels(names: Sequence[str]) -> None:
    """Some kernel cases, launched one by one."""
    set_allocator = getattr(cuda.cupy().cuda, "set_allocator", None)  # which an emulated CuPy lacks
    if set_allocator is not None:
        set_allocator(None)
    for name in names:
        print(f"case {name}", flush=True)
        with hn.gpu(0), autograd.predict_mode():
            function, arrays = kernel_cases.CASES[name]()
            hn.jit(function, name=name)(*arrays)
        cuda.cupy().cuda.runtime.deviceSynchronize()


def run_step(workload: str, sizes: str) -> None:
    """The first step of a workload: the part that is looked at."""
    point = BUILDERS[workload](SIZES[sizes], "gpu")["step"]()
    runtime = cuda.cupy().cuda.runtime
    runtime.deviceSynchronize()
    runtime.profilerStart()
    point.call()
    runtime.deviceSynchronize()
    runtime.profilerStop()


# -- the parts of the run -------------------------------------------------------------------------------


def _noted(findings: Findings, name: str, asked: Sequence[str], log: Path, deadline: float, good: Callable[[], str]) -> bool:
    """Run one command, and note its end: good if its status is 0 and ``good()`` then has something to say."""
    begin = time.monotonic()
    log.unlink(missing_ok=True)
    try:
        status = finished(asked, log, max(min(SECONDS, deadline - begin), 0.1))
        said = "" if status else good()
        why = "" if said else f"{tail(log, 200)}\nstatus {status}, or it said nothing; see logs/{log.name}"
    except (OSError, TimeoutError) as error:
        said, why = "", f"{tail(log, 200)}\n{error}; see logs/{log.name}"
    findings.note(name, not why, said, why, time.monotonic() - begin)
    return not why


def sanitize(findings: Findings, found: str, arguments: argparse.Namespace, deadline: float) -> None:
    """All cases under each check; those of a check that complains, each by itself."""
    cases = chosen(list(kernel_cases.CASES), arguments.only)
    logs = arguments.folder / "logs"

    def under(check: str, name: str, names: Sequence[str]) -> bool:
        target = command("gpu.tools", str(arguments.folder), "kernels", "--only", *names, device=arguments.device)
        asked = [found, "--tool", check, "--error-exitcode", "1", "--target-processes", "all", *target]
        log = logs / f"{check}-{name}.log".replace(" ", "-")
        return _noted(findings, f"{check}: {name}", asked, log, deadline, lambda: f"{len(names)} cases without complaint")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            whole = list(pool.map(lambda check: under(check, "all cases", cases), CHECKS))
            alone = [(check, name) for check, good in zip(CHECKS, whole, strict=True) if not good for name in cases]
            for check, name in alone:
                findings.expect(f"{check}: {name}")
            list(pool.map(lambda pair: time.monotonic() < deadline and under(*pair, [pair[1]]), alone))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            end_all()


def ncu(findings: Findings, found: str, arguments: argparse.Namespace, deadline: float) -> None:
    """One step of each large workload."""
    for workload in chosen(STEPS, arguments.only):
        csv = arguments.folder / f"ncu-{workload}.csv"
        target = command(
            "gpu.tools", str(arguments.folder), "step", "--only", workload, "--sizes", arguments.sizes, device=arguments.device
        )
        kept = ["--csv", "--page", "raw", "--log-file", str(csv), "--metrics", ",".join(METRICS)]
        asked = [found, "--profile-from-start", "off", "--clock-control", "none", *kept, *target]
        lines = lambda csv=csv: f"{len(csv.read_text().splitlines())} lines" if csv.exists() else ""
        _noted(findings, f"ncu: {workload}", asked, arguments.folder / "logs" / f"ncu-{workload}.log", deadline, lines)


#: The parts: the tool, what it is asked for first, what runs it.
PARTS = {"sanitize": ("compute-sanitizer", [f"{c}: all cases" for c in CHECKS], sanitize), "ncu": ("ncu", [], ncu)}


def main() -> None:
    parser = options("compute-sanitizer over the kernel cases, ncu over an uncaptured step")
    parser.add_argument("what", choices=[*PARTS, "kernels", "step"], help="a part of the run, or what it starts under the tool")
    parser.add_argument("--sizes", choices=list(SIZES), default="full")
    arguments = parser.parse_args()
    if arguments.what == "kernels":
        return run_kernels(arguments.only)
    if arguments.what == "step":
        return run_step(arguments.only[0], arguments.sizes)
    ends_on_request()
    name, first, part = PARTS[arguments.what]
    found = tool(name)
    findings = Findings(arguments.folder, arguments.what, first or [f"ncu: {w}" for w in chosen(STEPS, arguments.only)])
    if found is None:
        for case in findings.expected:
            findings.note(case, True, f"not there: {name}")
    else:
        part(findings, found, arguments, time.monotonic() + arguments.seconds)
    sys.exit(findings.status)


if __name__ == "__main__":
    main()
