"""Records of the GPU benchmarks: the table of bars, what is wrong in one, and several of one machine joined into one.

    python -m gpu.record RECORD... [--write FILE]

prints the table of what several runs measured (of the archives that tests/gpu.sh leaves, or of benchmarks.json), each workload as the
record has it in which most peers took part; ``--write`` keeps the joined record.
"""

from __future__ import annotations

import argparse
import json
import tarfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from report import table

from gpu import bars
from gpu.findings import reason, write
from gpu.sizes import SIZES

Record = dict[str, Any]
#: The parts of a record whose entries are named by their workload first.
BY_WORKLOAD = ("times", "least_bytes", "checks", "figures", "memory", "programs", "failures")


def failures_of_ours(record: Mapping[str, Any]) -> dict[str, str]:
    """What of our own side, or of the copy that bars are a share of, was not measured, and why; and that nothing was."""
    found = {name: why for name, why in record["failures"].items() if "/hybridnet/" in name or "/copy/" in name}
    return found if record["times"] else {**found, "benchmarks": "nothing was measured"}


def summary(record: Mapping[str, Any]) -> str:
    """A short table of the bars, and what failed or differs."""
    sizes = SIZES[record["settings"]["sizes"]]
    rows = []
    for v in bars.judged(record, bars.bars(sizes.norm.widths, sizes.loss.widths)):
        limit = f"{v.limit:g} ({v.aim:g})"
        rows.append([v.title, v.ours, v.theirs, "-" if v.ratio is None else f"{v.ratio:.3g}", limit, v.word])
    meaning = [] if record["settings"]["sizes"] == "full" else ["Tiny sizes: these figures mean nothing but that everything runs."]
    blocks = [record["machine"]["device"], *meaning, table(["work", "ours", "the best peer's", "ratio", "bar (aim)", ""], rows)]
    alone = [f"  {name}: {bars.time_text(seconds)}" for name, seconds in _alone(record["times"]).items()]
    if alone:
        blocks.append("Ours, with no peer beside it:\n" + "\n".join(alone))
    wrong = bars.disagreements(record)
    if wrong:
        blocks.append("Results that DIFFER from ours (relative error):\n" + "\n".join(f"  {k} {v:.1e}" for k, v in wrong.items()))
    if record["failures"]:
        blocks.append("Not measured:\n" + "\n".join(f"  {k}: {reason(v)}" for k, v in record["failures"].items()))
    return "\n\n".join(blocks)


def _alone(times: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Our times of the points that no peer measured, by workload and point."""
    measured = Counter(name.rsplit("/", 2)[0] for name in times)
    ours = {name.removesuffix(f"/{bars.OURS}"): median(found) for name, found in times.items() if name.endswith(bars.OURS)}
    return {point: seconds for point, seconds in ours.items() if measured[point] == 1}


def _peers(record: Record, workload: str) -> int:
    """How many modes of peers, ours among them, measured a workload."""
    return len({tuple(name.split("/")[-2:]) for name in record["times"] if name.split("/")[0] == workload})


def joined(records: Sequence[Record]) -> Record:
    """One record of several: each workload as it is where most took part in it, in the last of these."""
    workloads = dict.fromkeys(name.split("/")[0] for r in records for part in BY_WORKLOAD for name in r[part])
    found: Record = {**records[-1], **{part: {} for part in BY_WORKLOAD}, "versions": {}, "about": {}}
    for record in records:
        found["versions"] |= record["versions"]
        found["about"] |= record["about"]
    for workload in workloads:
        best = max(enumerate(records), key=lambda place: (_peers(place[1], workload), place[0]))[1]
        for part in BY_WORKLOAD:
            found[part] |= {name: value for name, value in best[part].items() if name.split("/")[0] == workload}
    return found


def records_in(place: Path) -> Iterable[Record]:
    """Those of an archive, of a folder, or the one that a file is."""
    if place.is_dir():
        yield from (json.loads(p.read_text(encoding="utf-8")) for p in sorted(place.rglob("benchmarks.json")))
    elif tarfile.is_tarfile(place):
        with tarfile.open(place) as archive:
            for member in archive.getmembers():
                if member.name.endswith("benchmarks.json"):
                    yield json.load(archive.extractfile(member))  # type: ignore[arg-type]
    else:
        yield json.loads(place.read_text(encoding="utf-8"))


def main() -> None:
    parser = argparse.ArgumentParser(description="Join records of the GPU benchmarks, and show the table of bars")
    parser.add_argument("records", nargs="+", type=Path, help="archives, folders, or benchmarks.json")
    parser.add_argument("--write", type=Path, metavar="FILE", help="keep the joined record")
    arguments = parser.parse_args()
    found = [record for place in arguments.records for record in records_in(place)]
    if not found:
        parser.error("no benchmarks.json in these")
    record = joined(found)
    if arguments.write:
        write(arguments.write, record)
    print(summary(record))


if __name__ == "__main__":
    main()
