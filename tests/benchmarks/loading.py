"""Epochs of a data loader, hybridnet's or PyTorch's, timed in a process of their own; prints JSON. The peer's side of loader.py.

python loading.py hybridnet digits 2 --seconds 1
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sized
from typing import Any

import numpy as np

BATCH = 32


class Samples:
    """A dataset of one's own, as both libraries take it: an image and its number, made anew each time."""

    def __init__(self, length: int, shape: tuple[int, ...], dtype: str) -> None:
        self.length, self.shape, self.dtype = length, shape, dtype

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, i: int) -> Any:
        return np.full(self.shape, i % 256, self.dtype), i


#: Images in memory as arrays; small and large ones that Python makes one by one.
DATASETS: dict[str, tuple[int, tuple[int, ...], str]] = {
    "digits": (1797, (1, 8, 8), "float32"),
    "samples": (1797, (1, 8, 8), "float32"),
    "photos": (512, (3, 224, 224), "uint8"),
}


def arrays(name: str) -> tuple[np.ndarray, np.ndarray]:
    length, shape, dtype = DATASETS[name]
    return np.arange(length * int(np.prod(shape))).reshape(length, *shape).astype(dtype), np.arange(length)


def hybridnet(name: str, workers: int) -> tuple[Any, str]:
    import hybridnet as hn
    from hybridnet.gluon import data

    dataset: Any = data.ArrayDataset(*arrays(name)) if name == "digits" else Samples(*DATASETS[name])
    return data.DataLoader(dataset, BATCH, shuffle=True, num_workers=workers), hn.__version__


def torch(name: str, workers: int) -> tuple[Any, str]:
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    dataset: Any = TensorDataset(*map(torch.from_numpy, arrays(name))) if name == "digits" else Samples(*DATASETS[name])
    return DataLoader(dataset, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0), torch.__version__


PEERS: dict[str, Callable[[str, int], tuple[Any, str]]] = {"hybridnet": hybridnet, "torch": torch}


def samples_of(loader: Any) -> int:
    """How many samples an epoch has, each batch gone through."""
    return sum(len(numbers) for _, numbers in loader)


def timed(loader: Any, length: int, seconds: float) -> list[float]:
    """Samples a second of each epoch, of at least three, after a first one that starts the workers."""
    found: list[float] = []
    begin = time.perf_counter()
    assert samples_of(loader) == length
    first = time.perf_counter() - begin
    end = time.perf_counter() + seconds
    while len(found) < 3 or time.perf_counter() < end:
        begin = time.perf_counter()
        count = samples_of(loader)
        found.append(count / (time.perf_counter() - begin))
        assert count == length
    return [first, *found]


def main() -> None:
    parser = argparse.ArgumentParser(description="Epochs of a data loader")
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("dataset", choices=DATASETS)
    parser.add_argument("workers", type=int)
    parser.add_argument("--seconds", type=float, default=1.0)
    arguments = parser.parse_args()
    loader, version = PEERS[arguments.peer](arguments.dataset, arguments.workers)
    assert isinstance(loader, Sized)
    first, *speeds = timed(loader, DATASETS[arguments.dataset][0], arguments.seconds)
    versions = {arguments.peer: version, "numpy": np.__version__}
    print(json.dumps({"first": first, "speed": statistics.median(speeds), "epochs": len(speeds), "versions": versions}))


if __name__ == "__main__":
    main()
