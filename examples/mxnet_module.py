"""A program for Apache MXNet 1.x as it was written for it, with symbols and ``Module``: nothing in it knows of hybridnet.

    python -m hybridnet.compat.mxnet examples/mxnet_module.py

runs it on hybridnet, and ``python examples/mxnet_module.py`` on MXNet 1.9.1, where that is installed, with the same numbers: parameters
and data are the same in both, and a test holds the losses to those that MXNet gave. It trains a small convolutional network on handwritten
digits, writes a checkpoint each epoch, and scores the last one after loading it.
"""

import argparse
import logging
import os
import tempfile

import mxnet as mx
import numpy as np
from sklearn.datasets import load_digits


def lenet():
    data = mx.sym.var("data")
    conv1 = mx.sym.Convolution(data=data, kernel=(3, 3), num_filter=8, name="conv1")
    tanh1 = mx.sym.Activation(data=conv1, act_type="tanh")
    pool1 = mx.sym.Pooling(data=tanh1, pool_type="max", kernel=(2, 2), stride=(2, 2))
    flatten = mx.sym.Flatten(data=pool1)
    fc1 = mx.sym.FullyConnected(data=flatten, num_hidden=32, name="fc1")
    bn1 = mx.sym.BatchNorm(data=fc1, fix_gamma=False, name="bn1")
    tanh2 = mx.sym.Activation(data=bn1, act_type="tanh")
    fc2 = mx.sym.FullyConnected(data=tanh2, num_hidden=10, name="fc2")
    return mx.sym.SoftmaxOutput(data=fc2, name="softmax")


def first_parameters(symbol, batch_size):
    """The same numbers wherever it runs."""
    random = np.random.RandomState(0)
    shapes, _, _ = symbol.infer_shape(data=(batch_size, 1, 8, 8))
    names = [n for n in symbol.list_arguments() if n not in ("data", "softmax_label")]
    shapes = dict(zip(symbol.list_arguments(), shapes, strict=True))
    return {n: mx.nd.array(random.uniform(-0.3, 0.3, shapes[n])) for n in sorted(names)}


def main(arguments=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=50)
    parser.add_argument("--folder", default=None, help="where checkpoints go")
    args = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    digits = load_digits()
    images = (digits.images[:, None] / 16).astype("float32")
    labels = digits.target.astype("float32")
    train = mx.io.NDArrayIter(images[:1500], labels[:1500], args.batch_size)
    test = mx.io.NDArrayIter(images[1500:], labels[1500:], args.batch_size)

    losses = []

    def note(param):
        losses.append(dict(param.eval_metric.get_name_value())["cross-entropy"])

    symbol = lenet()
    prefix = os.path.join(args.folder or tempfile.mkdtemp(), "lenet")
    module = mx.mod.Module(symbol, context=mx.cpu())
    module.fit(
        train,
        eval_data=test,
        eval_metric=["acc", "ce"],
        arg_params=first_parameters(symbol, args.batch_size),
        aux_params={"bn1_moving_mean": mx.nd.zeros(32), "bn1_moving_var": mx.nd.ones(32)},
        optimizer="sgd",
        optimizer_params={"learning_rate": 0.2, "momentum": 0.9},
        batch_end_callback=[note, mx.callback.Speedometer(args.batch_size, 10)],
        epoch_end_callback=mx.callback.do_checkpoint(prefix),
        num_epoch=args.epochs,
    )

    loaded = mx.mod.Module.load(prefix, args.epochs)
    loaded.bind(data_shapes=test.provide_data, label_shapes=test.provide_label, for_training=False)
    accuracy = loaded.score(test, "acc")[0][1]
    print(f"mxnet {mx.__version__}, held-out accuracy of the checkpoint {accuracy:.3f}")
    return losses, accuracy


if __name__ == "__main__":
    main()
