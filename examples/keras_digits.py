"""A Keras program on hybridnet: three dense layers on handwritten digits of 28×28 pixels.

The digits are scikit-learn's, of 8×8 pixels; each pixel is tripled and two of border are added.
"""

import numpy
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import hybridnet
from hybridnet.keras.utils import to_categorical

digits = load_digits()
images = numpy.pad(numpy.kron(digits.images / 16, numpy.ones((3, 3))), ((0, 0), (2, 2), (2, 2)))
x_train, x_test, y_train, y_test = train_test_split(images.reshape(-1, 784), to_categorical(digits.target), test_size=0.2, random_state=0)
hybridnet.random.seed(0)

# From here on this is Keras; only the first two lines say hybridnet.
# fmt: off
# ruff: noqa: E402, I001
from hybridnet.keras.models import Sequential
from hybridnet.keras.layers import Dense
model = Sequential()
model.add(Dense(32, input_dim=784, activation='relu'))
model.add(Dense(64, activation='relu'))
model.add(Dense(10, activation='softmax'))
model.compile(optimizer='adam', loss='categorical_crossentropy', metrics=['accuracy'])
model.fit(x_train, y_train, epochs=10, batch_size=32)
# fmt: on

model.summary()
loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
print(f"held-out loss: {loss:.4f}, accuracy: {accuracy:.4f}")
