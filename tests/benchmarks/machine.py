"""What the numbers depend on: the processor, its load, the system, the versions."""

import datetime
import os
import platform
from pathlib import Path
from typing import Any


def _line(path: str, key: str) -> str:
    """The value of the first ``key : value`` line of a file of ``/proc``."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")


def describe() -> dict[str, Any]:
    """The machine and its state now; taken before anything runs."""
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": _line("/proc/cpuinfo", "model name") or platform.processor(),
        "family, model": f"{_line('/proc/cpuinfo', 'cpu family')}, {_line('/proc/cpuinfo', 'model')}".strip(", "),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "cache": _line("/proc/cpuinfo", "cache size"),
        "memory": _line("/proc/meminfo", "MemTotal"),
        "system": platform.platform(),
        "load average": [round(x, 2) for x in os.getloadavg()],
    }
