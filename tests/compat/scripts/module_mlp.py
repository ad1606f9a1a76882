"""A perceptron by the stages of a Module, with a checkpoint in the middle from which a second module goes on."""

import json
import os
import sys
import tempfile

import mxnet as mx
import numpy as np


def network():
    data = mx.symbol.Variable("data")
    fc1 = mx.symbol.FullyConnected(data=data, name="fc1", num_hidden=16)
    bn1 = mx.symbol.BatchNorm(data=fc1, name="bn1", fix_gamma=False)
    act1 = mx.symbol.Activation(data=bn1, name="relu1", act_type="relu")
    drop = mx.symbol.Dropout(data=act1, p=0.0)
    fc2 = mx.symbol.FullyConnected(data=drop, name="fc2", num_hidden=4)
    return mx.symbol.SoftmaxOutput(data=fc2, name="softmax")


def train(module, batches, metric, epochs):
    losses = []
    for _ in range(epochs):
        metric.reset()
        batches.reset()
        for batch in batches:
            module.forward(batch, is_train=True)
            module.update_metric(metric, batch.label)
            module.backward()
            module.update()
        losses.append(metric.get()[1])
    return losses


def main():
    random = np.random.RandomState(3)
    x = random.randn(120, 10).astype("float32")
    y = (x[:, :4].argmax(axis=1)).astype("float32")
    batches = mx.io.NDArrayIter(x, y, batch_size=20, shuffle=False, label_name="softmax_label")
    net = network()
    shapes, _, states = net.infer_shape(data=(20, 10), softmax_label=(20,))
    names = [n for n in net.list_arguments() if n not in ("data", "softmax_label")]
    known = dict(zip(net.list_arguments(), shapes, strict=False))
    params = {n: mx.nd.array(random.uniform(-0.4, 0.4, known[n])) for n in names}
    aux = {n: mx.nd.ones(s) if n.endswith("var") else mx.nd.zeros(s) for n, s in zip(net.list_auxiliary_states(), states, strict=False)}

    module = mx.mod.Module(symbol=net, context=mx.cpu())
    module.bind(data_shapes=batches.provide_data, label_shapes=batches.provide_label)
    module.init_params(arg_params=params, aux_params=aux)
    settings = {"learning_rate": 0.2, "momentum": 0.9, "wd": 1e-4, "lr_scheduler": mx.lr_scheduler.FactorScheduler(step=20, factor=0.8)}
    module.init_optimizer(optimizer="sgd", optimizer_params=settings)
    losses = train(module, batches, mx.metric.CrossEntropy(), 5)

    with tempfile.TemporaryDirectory() as folder:
        prefix = os.path.join(folder, "mlp")
        module.save_checkpoint(prefix, 5, save_optimizer_states=True)
        again = mx.mod.Module.load(prefix, 5, load_optimizer_states=True)
        again.bind(data_shapes=batches.provide_data, label_shapes=batches.provide_label)
        again.init_params()
        again.init_optimizer(optimizer="sgd", optimizer_params={"learning_rate": 0.05, "momentum": 0.9})
        losses += train(again, batches, mx.metric.CrossEntropy(), 3)
    batches.reset()
    score = dict(again.score(batches, mx.metric.Accuracy()))
    json.dump({"losses": losses, "accuracy": score["accuracy"]}, sys.stdout)


if __name__ == "__main__":
    main()
