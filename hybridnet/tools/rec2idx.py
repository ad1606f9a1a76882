"""Make the index of a record file anew: ``python -m hybridnet.tools.rec2idx data.rec data.idx``. Keys count from 0."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from hybridnet.disk import write_bytes
from hybridnet.recordio import positions


def main(argv: Sequence[str] | None = None) -> None:
    """The program; ``argv``: its arguments, those of the command line unless given."""
    parser = argparse.ArgumentParser(prog="python -m hybridnet.tools.rec2idx", description="Make the index of a record file anew.")
    parser.add_argument("record", help="the .rec file")
    parser.add_argument("index", help="the .idx file to write")
    found = parser.parse_args(argv)
    lines = [f"{key}\t{at}\n" for key, at in enumerate(positions(found.record))]
    write_bytes(found.index, "".join(lines).encode())
    print(f"{found.index}: {len(lines)} records")


if __name__ == "__main__":
    main()
