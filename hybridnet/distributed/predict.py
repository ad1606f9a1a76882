"""What a training step will take on N GPUs, from its profile on one: ``python -m hybridnet.distributed.predict``.

    step.profile(data, label).save("step.json")         # on one device
    python -m hybridnet.distributed.predict step.json --devices 8 64 512 --inside 370 --between 360 --jitter 0.02
    python -m hybridnet.distributed.predict --published    # the same model beside what others have published

See :mod:`hybridnet.distributed.simulator` for what is assumed, and docs/distributed.md for what cannot be known from one device.

In place of a profile the file may hold ``{"gradients": [[seconds, bytes], ...], "compute": seconds, "update": seconds}``: when each is
known, counted from the step's begin, what forward and backward take together, and what the update takes.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from hybridnet.distributed import published
from hybridnet.distributed.network import Network, read_measured
from hybridnet.distributed.simulator import Step, predict, read_step
from hybridnet.lowering.buckets import BUCKET_BYTES


def table(step: Step, network: Network, devices: Sequence[int], limit: float, overlap: bool, batch: int | None) -> str:
    """The predictions, a line for each number of devices."""
    rates = f"{'samples/s':>14}{'a device':>12}" if batch else ""
    lines = [f"{'devices':>8}{'step ms':>10}{'sums ms':>10}{'exposed ms':>12}{'efficiency':>12}{rates}"]
    for n in devices:
        p = predict(step, network, n, limit, overlap)
        rates = f"{batch * n / p.step:>14,.0f}{batch / p.step:>12,.0f}" if batch else ""
        lines.append(f"{n:>8}{p.step * 1e3:>10.3f}{p.sums * 1e3:>10.3f}{p.exposed * 1e3:>12.3f}{p.efficiency:>12.1%}{rates}")
    return "\n".join(lines)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hybridnet.distributed.predict", description="Step time on N GPUs, from a step on one.")
    parser.add_argument("step", nargs="?", help="what Profile.save wrote, or gradients, compute and update in JSON")
    parser.add_argument("--devices", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64])
    parser.add_argument("--batch", type=int, help="samples a device, for samples a second")
    parser.add_argument("--per-machine", type=int, default=8, help="GPUs of a machine (8)")
    parser.add_argument("--inside", type=float, default=370.0, help="bus bandwidth within a machine, GB/s (370: 8 H100 by NVLink)")
    parser.add_argument("--between", type=float, default=48.0, help="of a ring over machines, all cards of one together, GB/s (48)")
    parser.add_argument("--switch", type=float, default=0.0, help="of sums in the switch of one machine, GB/s (none)")
    parser.add_argument("--measured", action="append", default=[], metavar="GPUS=FILE", help="what all_reduce_perf printed on so many")
    parser.add_argument("--jitter", type=float, default=0.0, help="standard deviation of a rank's step, as a share of it (0)")
    parser.add_argument("--contention", type=float, default=0.0, help="share of the sums' time by which they hold up what is computed (0)")
    parser.add_argument("--bucket", type=float, default=BUCKET_BYTES / (1 << 20), help="MiB of a message at most (25)")
    parser.add_argument("--no-overlap", action="store_true", help="sums wait for the end of the backward, as on CPUs")
    parser.add_argument("--published", action="store_true", help="the model beside what others have published")
    return parser


def main(arguments: list[str] | None = None) -> None:
    """Print what ``python -m hybridnet.distributed.predict`` was asked for."""
    parser = _arguments()
    options = parser.parse_args(arguments)
    if options.published:
        print(published.report())
        return
    if options.step is None:
        parser.error("a file with a step, or --published")
    tables = []
    for given in options.measured:
        gpus, equals, path = given.partition("=")
        if not (equals and gpus.isdecimal() and int(gpus) > 1):
            parser.error(f"--measured GPUS=FILE, as in 8=all_reduce_perf.txt; got {given}")
        tables.append(read_measured(path, int(gpus)))
    network = Network(options.per_machine, options.inside * 1e9, options.between * 1e9, options.switch * 1e9, tuple(tables))
    step = read_step(options.step, options.jitter, options.contention)
    print(table(step, network, options.devices, options.bucket * (1 << 20), not options.no_overlap, options.batch))
    if not options.jitter:
        print("Without --jitter all ranks are equally fast in every step, which they never are: these are upper bounds.")


if __name__ == "__main__":
    main()
