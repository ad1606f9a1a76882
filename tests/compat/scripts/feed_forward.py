"""The oldest way to train: ``FeedForward`` on a convolution, with a callback that counts, saved and loaded."""

import json
import os
import sys
import tempfile

import mxnet as mx
import numpy as np


def main():
    random = np.random.RandomState(5)
    x = random.rand(60, 1, 8, 8).astype("float32")
    y = (x.reshape(60, 2, 32).mean(axis=2).argmax(axis=1)).astype("float32")
    data = mx.sym.Variable("data")
    conv = mx.sym.Convolution(data, name="conv", kernel=(3, 3), num_filter=4)
    pool = mx.sym.Pooling(mx.sym.Activation(conv, act_type="tanh"), kernel=(2, 2), stride=(2, 2), pool_type="max")
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Flatten(pool), num_hidden=2, name="fc"), name="softmax")
    shapes, _, _ = net.infer_shape(data=(10, 1, 8, 8))
    start = {
        name: mx.nd.array(random.uniform(-0.3, 0.3, shape))
        for name, shape in zip(net.list_arguments(), shapes, strict=False)
        if name not in ("data", "softmax_label")
    }
    losses = []

    def on_batch(param):
        if param.nbatch == 5:
            losses.append(param.eval_metric.get()[1])

    model = mx.model.FeedForward(
        ctx=mx.cpu(),
        symbol=net,
        num_epoch=8,
        optimizer="sgd",
        learning_rate=0.5,
        momentum=0.5,
        numpy_batch_size=10,
        arg_params=start,
        aux_params={},
    )
    train = mx.io.NDArrayIter(x, y, batch_size=10, label_name="softmax_label")
    model.fit(X=train, eval_metric="ce", batch_end_callback=on_batch)
    with tempfile.TemporaryDirectory() as folder:
        prefix = os.path.join(folder, "conv")
        model.save(prefix)
        loaded = mx.model.FeedForward.load(prefix, 8, ctx=mx.cpu())
        outputs = loaded.predict(mx.io.NDArrayIter(x[:20], batch_size=10))
    json.dump({"losses": losses, "outputs": np.asarray(outputs)[:, 0].tolist()}, sys.stdout)


if __name__ == "__main__":
    main()
