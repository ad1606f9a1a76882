"""What MXNet 1.9.1 pickles, for the tests of the alias: a dict of bytes.

    python tests/references/mxnet_pickles.py      # with MXNet 1.9.1: writes tests/data/mxnet_1_9_1_pickles.bin

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
