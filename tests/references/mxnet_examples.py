"""What MXNet 1.9.1 gives for the examples: the losses of ``examples/mxnet_module.py``, and the model that ``mxnet_model.py`` loads.

    python tests/references/mxnet_examples.py      # with MXNet 1.9.1 and scikit-learn

It is run by hand. The model is a Gluon network, trained on the digits 0 to 4 and written by ``HybridBlock.export``:
``tests/data/mxnet_1_9_1_digits-symbol.json`` and ``-0000.params``. ``tests/data/mxnet_1_9_1_examples.json`` has the losses of five epochs,
and what the model says of the first images.
"""

import json
import runpy
from pathlib import Path

import mxnet as mx
from mxnet import autograd, gluon
from sklearn.datasets import load_digits

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = ROOT / "tests" / "data"

losses, accuracy = runpy.run_path(str(ROOT / "examples" / "mxnet_module.py"))["main"](["--epochs", "5"])

mx.random.seed(1)
digits = load_digits()
small = digits.target < 5
images = mx.nd.array(digits.images[small][:, None] / 16)
labels = mx.nd.array(digits.target[small])
net = gluon.nn.HybridSequential(prefix="digits_")
with net.name_scope():
    net.add(gluon.nn.Conv2D(6, 3, activation="relu"), gluon.nn.BatchNorm(), gluon.nn.MaxPool2D(2), gluon.nn.Flatten())
    net.add(gluon.nn.Dense(16, activation="relu"), gluon.nn.Dense(5))
net.initialize(mx.init.Xavier())
net.hybridize()
trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.01})
loss = gluon.loss.SoftmaxCrossEntropyLoss()
loader = gluon.data.DataLoader(gluon.data.ArrayDataset(images[:700], labels[:700]), 50, shuffle=True)
for _ in range(8):
    for x, y in loader:
        with autograd.record():
            value = loss(net(x), y)
        value.backward()
        trainer.step(len(x))
net.export(str(DATA / "mxnet_1_9_1_digits"))
found = {"losses": losses, "accuracy": accuracy, "outputs": net(images[:5]).asnumpy().tolist()}
(DATA / "mxnet_1_9_1_examples.json").write_text(json.dumps(found) + "\n", encoding="utf-8")
print(accuracy, float((net(images[700:]).argmax(1) == labels[700:]).mean().asscalar()))
