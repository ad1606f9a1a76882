"""A loss written in Python: a ``CustomOp`` with its gradient, in a symbol that a Module trains, and in imperative code."""

import json
import sys

import mxnet as mx
import numpy as np


class Softmax(mx.operator.CustomOp):
    def forward(self, is_train, req, in_data, out_data, aux):
        x = in_data[0].asnumpy()
        y = np.exp(x - x.max(axis=1).reshape((x.shape[0], 1)))
        y /= y.sum(axis=1).reshape((x.shape[0], 1))
        self.assign(out_data[0], req[0], mx.nd.array(y))

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        label = in_data[1].asnumpy().ravel().astype(int)
        y = out_data[0].asnumpy()
        y[np.arange(label.shape[0]), label] -= 1.0
        self.assign(in_grad[0], req[0], mx.nd.array(y))


@mx.operator.register("example_softmax")
class SoftmaxProp(mx.operator.CustomOpProp):
    def __init__(self):
        super().__init__(need_top_grad=False)

    def list_arguments(self):
        return ["data", "label"]

    def list_outputs(self):
        return ["output"]

    def infer_shape(self, in_shape):
        return [in_shape[0], (in_shape[0][0],)], [in_shape[0]], []

    def create_operator(self, ctx, shapes, dtypes):
        return Softmax()


def main():
    random = np.random.RandomState(13)
    x = random.randn(40, 6).astype("float32")
    y = x[:, :3].argmax(axis=1).astype("float32")
    hidden = mx.sym.Activation(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=8, name="fc1"), act_type="relu")
    out = mx.sym.FullyConnected(hidden, num_hidden=3, name="fc2")
    net = mx.sym.Custom(data=out, label=mx.sym.Variable("softmax_label"), name="softmax", op_type="example_softmax")
    shapes, _, _ = net.infer_shape(data=(8, 6))
    params = {
        name: mx.nd.array(random.uniform(-0.5, 0.5, shape))
        for name, shape in zip(net.list_arguments(), shapes, strict=False)
        if name not in ("data", "softmax_label")
    }
    train = mx.io.NDArrayIter(x, y, 8)
    module = mx.mod.Module(net, context=mx.cpu())
    losses = []
    metric = mx.metric.CrossEntropy()
    module.fit(
        train, num_epoch=6, arg_params=params, aux_params={}, eval_metric=metric, optimizer="sgd",
        optimizer_params={"learning_rate": 0.3}, kvstore=None, epoch_end_callback=lambda *args: losses.append(metric.get()[1]),
    )  # fmt: skip
    a = mx.nd.array(x[:4, :3])
    a.attach_grad()
    with mx.autograd.record():
        b = mx.nd.Custom(a, mx.nd.array(y[:4]), op_type="example_softmax")
    b.backward()
    json.dump({"losses": losses, "gradient": a.grad.asnumpy().tolist()}, sys.stdout)


if __name__ == "__main__":
    main()
