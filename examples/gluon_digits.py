"""Training in one call: three dense layers on handwritten digits of 28×28 pixels.

The digits are scikit-learn's, of 8×8 pixels; each pixel is tripled and two of border are added. The last layer is a
softmax and the loss is named softmax cross-entropy: it is the cross-entropy of the probabilities that come out of the
network. The softmax is not taken twice.
"""

import numpy
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import hybridnet

digits = load_digits()
images = numpy.pad(numpy.kron(digits.images / 16, numpy.ones((3, 3))), ((0, 0), (2, 2), (2, 2)))
x_train, x_test, y_train, y_test = train_test_split(images.reshape(-1, 784), digits.target, test_size=0.2, random_state=0)
hybridnet.random.seed(0)

# fmt: off
# ruff: noqa: E402, F401, I001
import hybridnet as mx
from hybridnet.gluon import nn
net = nn.Sequential()
net.add(nn.Dense(32, activation='relu', input_shape=(784,)))
net.add(nn.Dense(64, activation='relu'))
net.add(nn.Dense(10, activation='softmax'))
net.compile(optimizer='adam', loss='softmax_cross_entropy', metrics=['accuracy'])
net.fit(x_train, y_train, epochs=10, batch_size=32)
# fmt: on

results = net.evaluate(x_test, y_test)
print(f"held-out loss: {results['loss']:.4f}, accuracy: {results['accuracy']:.4f}")
