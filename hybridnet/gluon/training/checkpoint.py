"""A checkpoint: all that another process needs to go on as if nothing had happened, to the bit.

Three files of one prefix. ``.params`` and ``.states`` are those of ``save_parameters`` and ``Trainer.save_states``. ``.run`` has the rest:
random state, the place in the data, handlers, metrics, the optimizer's numbers and schedule, what differs between devices, and the
checksums of the other two. It is written last, so it says that the checkpoint is whole; each file comes whole or not at all.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import Any

from hybridnet import disk
from hybridnet.core import asarray, suspended_trace
from hybridnet.errors import FileFormatError, HybridnetError, fail
from hybridnet.gluon.ranks import average_statistics
from hybridnet.gluon.slices import slice_of, whole_of
from hybridnet.gluon.training import randomness, saved, together

RUN, PARTS = ".run", (".params", ".states")


def save(prefix: str, estimator: Any) -> None:
    """Write the checkpoint of a run, ``estimator.run``, as it is now. All ranks call it, and the first writes."""
    save_network(prefix, estimator)
    state = _state(estimator)
    if together.leads():
        # Checksums of what is there: a crash of the machine may still lose what a rename has promised.
        sums = {part: _checksum(disk.read_bytes(prefix + part)) for part in PARTS}
        disk.write_bytes(prefix + RUN, saved.pack({"sums": sums, **state}))


def save_network(prefix: str, estimator: Any) -> None:
    """Write the parameters and the optimizer's states alone. Running statistics are averaged over ranks first."""
    average_statistics(estimator.net.collect_params().values())
    estimator.net.save_parameters(prefix + ".params" if together.leads() else os.devnull)
    estimator.trainer.save_states(prefix + ".states" if together.leads() else os.devnull)


def read(prefix: str) -> dict[str, Any] | None:
    """What a checkpoint's ``.run`` holds; ``None`` where a file of it is missing or damaged."""
    try:
        state = saved.unpack(disk.read_bytes(prefix + RUN), prefix + RUN)
        whole = all(_checksum(disk.read_bytes(prefix + part)) == state["sums"].get(part) for part in PARTS)
    except (OSError, HybridnetError):
        return None
    return state if whole else None


def load(prefix: str, state: dict[str, Any], estimator: Any) -> None:
    """Go on from a checkpoint whose ``.run`` was read: into the network, the trainer, the handlers, the random state.

    FileFormatError if it is one of another network.
    """
    estimator.net.load_parameters(prefix + ".params")
    estimator.trainer.load_states(prefix + ".states")
    parameters = _parameters(estimator)
    if len(parameters) != len(state["parameters"]):
        got = f"{len(state['parameters'])} in {prefix}{RUN}"
        fail(FileFormatError, "resume", expected=f"a checkpoint of {len(parameters)} parameters", got=got)
    for parameter, kept in zip(parameters, state["parameters"], strict=True):
        _write(parameter, parameter.list_data, kept["data"], prefix)
        grads = kept["grad"]
        if grads is not None and not together.heads():  # which has the sum of all ranks'
            grads = [grad * 0 for grad in grads]
        _write(parameter, parameter.list_grad, grads, prefix)
    saved.restore(estimator.trainer.optimizer, state["optimizer"])
    if together.heads():  # which has what all had counted
        for metric, kept in zip([*estimator.train_metrics, *estimator.val_metrics], state["metrics"], strict=True):
            saved.restore(metric, kept)
    if state["more"] is not None:
        estimator.load_state_dict(state["more"])
    # Of as many ranks each goes on with its own; of another number all with those of the first.
    others = state.get("others", [])
    own = others[together.rank() - 1] if not together.leads() and len(others) + 1 == together.all_ranks() else state
    estimator.run.load_state_dict(own["run"])
    randomness.load_state_dict(own["random"])


def _state(estimator: Any) -> dict[str, Any]:
    first, *others = together.of_each({"run": estimator.run.state_dict(), "random": randomness.state_dict()})
    return {
        "parameters": [_of_parameter(parameter) for parameter in _parameters(estimator)],
        "optimizer": saved.snapshot(estimator.trainer.optimizer),
        "metrics": [saved.snapshot(together.metric_of_all(m)) for m in [*estimator.train_metrics, *estimator.val_metrics]],
        "more": estimator.state_dict() if hasattr(estimator, "state_dict") else None,
        **first,
        "others": others,
    }


def _parameters(estimator: Any) -> list[Any]:
    """The network's parameters, and those that the trainer has beside them."""
    found = {id(p): p for p in [*estimator.net.collect_params().values(), *estimator.trainer._params]}
    return list(found.values())


def _of_parameter(parameter: Any) -> dict[str, Any]:
    """What the other files do not hold: copies that may differ between devices, and gradients that are being added up. Both whole."""
    data = parameter.list_data() if len(parameter.list_data()) > 1 else None
    grad = parameter.list_grad() if parameter.grad_req == "add" else None
    data, grad = (None if arrays is None else [whole_of(parameter, x) for x in arrays] for arrays in (data, grad))
    if grad is not None and together.ranks() > 1:
        grad = [together.summed_array(x) for x in grad]
    return {"data": data, "grad": grad}


def _write(parameter: Any, arrays: Callable[[], list[Any]], values: list[Any] | None, prefix: str) -> None:
    """Write what a checkpoint has of a parameter into its arrays, those of a split one this rank's slices."""
    if values is None:
        return
    values, there = [slice_of(parameter, value) for value in values], arrays()
    if [x.shape for x in there] != [value.shape for value in values]:
        got = f"{len(there)} of {there[0].shape} now" if there else "none now"
        expected = f"{len(values)} devices for {parameter.name!r}, as in {prefix}{RUN}"
        fail(FileFormatError, "resume", expected=expected, got=got, fix="training on as many devices as before")
    with suspended_trace():
        for x, value in zip(there, values, strict=True):
            x._assign(asarray(value, device=x.device))


def _checksum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def remove(prefix: str) -> None:
    """Delete a checkpoint, last the file by which it is found: killed meanwhile, the next run deletes the rest."""
    for part in (*PARTS, RUN):
        if os.path.exists(prefix + part):
            os.remove(prefix + part)
