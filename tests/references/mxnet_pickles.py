"""What MXNet 1.9.1 pickles, for the tests of the alias: a dict of bytes, and each optimizer with its weights after three steps.

    python tests/references/mxnet_pickles.py      # with MXNet 1.9.1: writes tests/data/mxnet_1_9_1_pickles.bin and …_pickled_optimizers.bin

It is run by hand.
"""

import pickle
from pathlib import Path

import mxnet as mx

PATH = Path(__file__).resolve().parent.parent / "data" / "mxnet_1_9_1_pickles.bin"

updater = mx.optimizer.get_updater(mx.optimizer.SGD(momentum=0.9))
updater(0, mx.nd.ones(3), mx.nd.ones(3))
objects = {
    "nd": mx.nd.array([[1, 2], [3, 4]]),
    "np": mx.np.array([1, 2]),
    "sym": mx.sym.FullyConnected(mx.sym.var("x"), num_hidden=2, name="fc"),
    "desc": mx.io.DataDesc("data", (2, 3)),
    "metric": mx.metric.Accuracy(),
    "init": mx.init.Xavier(),
}
data = {name: pickle.dumps(value, 2) for name, value in objects.items()}
PATH.write_bytes(pickle.dumps({**data, "states": updater.get_states()}, 2))

optimizers = []
for name in sorted(mx.optimizer.Optimizer.opt_registry):
    if name in ("sgld", "test"):  # one adds noise, the other is MXNet's own check
        continue
    optimizer = mx.optimizer.create(name, learning_rate=0.25, wd=0.0 if name == "groupadagrad" else 0.125)  # which takes no decay
    pickled = pickle.dumps(optimizer, 2)
    update, weight = mx.optimizer.get_updater(optimizer), mx.nd.array([[1.0, 2.0, 3.0]])
    for _ in range(3):
        update(0, mx.nd.array([[0.5, -1.0, 2.0]]), weight)
    optimizers.append((name, pickled, weight.asnumpy().tolist()))
PATH.with_name("mxnet_1_9_1_pickled_optimizers.bin").write_bytes(
    pickle.dumps({"context": pickle.dumps(mx.cpu(1), 2), "optimizers": optimizers}, 2)
)
