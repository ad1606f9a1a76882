"""The Keras front end: the two programs of the documentation, training, weights, names, the table."""

from typing import Any

import numpy as np
import pytest
from support.fitting import blobs

import hybridnet as hn
from hybridnet import gluon
from hybridnet.errors import ArgumentError, DeferredInitializationError, ShapeError
from hybridnet.gluon import nn
from hybridnet.keras import Input, layers, losses, metrics, optimizers
from hybridnet.keras.layers import (
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    InputLayer,
    MaxPooling2D,
)
from hybridnet.keras.models import Sequential
from hybridnet.keras.utils import to_categorical


def classifier() -> Sequential:
    hn.random.seed(2)
    return Sequential([Dense(8, activation="relu", input_shape=(2,)), BatchNormalization(), Dropout(0.1), Dense(3, activation="softmax")])


# -- the programs of the documentation -------------------------------------------------------------


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """The 8×8 digits as 28×28 images in a row of 784: pixels tripled, two of border."""
    data = pytest.importorskip("sklearn.datasets").load_digits()
    large = np.pad(np.kron(data.images / 16, np.ones((3, 3))), ((0, 0), (2, 2), (2, 2)))
    return large.reshape(-1, 784), data.target


@pytest.mark.parametrize("form", [lambda y: y, to_categorical], ids=["integers", "one-hot"])
def test_the_keras_program(digits: Any, form: Any) -> None:
    x_train, y_train = digits[0], form(digits[1])
    hn.random.seed(0)

    from hybridnet.keras.layers import Dense
    from hybridnet.keras.models import Sequential

    model = Sequential()
    model.add(Dense(32, input_dim=784, activation="relu"))
    model.add(Dense(64, activation="relu"))
    model.add(Dense(10, activation="softmax"))
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    model.fit(x_train, y_train, epochs=10, batch_size=32)

    loss, accuracy = model.evaluate(x_train, y_train, verbose=0)
    assert accuracy > 0.96
    assert loss < 0.2


@pytest.mark.parametrize("form", [lambda y: y, to_categorical], ids=["integers", "one-hot"])
def test_the_gluon_program(digits: Any, form: Any) -> None:
    x_train, y_train = digits[0], form(digits[1])
    hn.random.seed(0)

    import hybridnet as mx  # noqa: F401
    from hybridnet.gluon import nn

    net = nn.Sequential()
    net.add(nn.Dense(32, activation="relu", input_shape=(784,)))
    net.add(nn.Dense(64, activation="relu"))
    net.add(nn.Dense(10, activation="softmax"))
    net.compile(optimizer="adam", loss="softmax_cross_entropy", metrics=["accuracy"])
    net.fit(x_train, y_train, epochs=10, batch_size=32)

    results = net.evaluate(x_train, y_train)
    assert results["accuracy"] > 0.96
    assert results["loss"] < 0.2  # a softmax of the softmax could not go below log(e + 9) - 1 = 1.46


# -- training --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["sgd", "adam", "rmsprop", "bgd", "nag", optimizers.SGD(0.1, 0.9, nesterov=True), optimizers.RMSprop(centered=True)]
)
def test_training(name: Any) -> None:
    x, y = blobs()
    model = classifier()
    model.compile(name, "sparse_categorical_crossentropy", ["accuracy"])
    history = model.fit(x, y, epochs=10, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]
    model.compile(loss="mse")  # Keras's default optimizer
    assert type(model._session.optimizer) is optimizers.RMSprop


def one_step(keras_optimizer: Any, steps: int = 3) -> list[float]:
    """A weight, from 1, under loss w²/2, whose gradient is w."""
    model = Sequential([Dense(1, use_bias=False, kernel_initializer="ones", input_dim=1)])
    model.compile(keras_optimizer, "l2")
    found = []
    for _ in range(steps):
        model.fit(np.ones((1, 1)), np.zeros((1, 1)), verbose=0)
        found.append(float(model.get_weights()[0][0, 0]))
    return found


def test_optimizers_by_the_formulas() -> None:
    w, v, expected = 1.0, 0.0, []
    for _ in range(3):
        v = 0.9 * v - 0.1 * w
        w += v
        expected.append(w)
    assert one_step(optimizers.SGD(0.1, momentum=0.9)) == pytest.approx(expected, rel=1e-5)
    w, v, expected = 1.0, 0.0, []
    for _ in range(3):
        g = w
        v = 0.9 * v - 0.1 * g
        w += 0.9 * v - 0.1 * g
        expected.append(w)
    assert one_step(optimizers.SGD(0.1, momentum=0.9, nesterov=True)) == pytest.approx(expected, rel=1e-5)
    w, m, v, expected = 1.0, 0.0, 0.0, []
    for t in range(1, 4):
        m, v = 0.8 * m + 0.2 * w, 0.95 * v + 0.05 * w * w
        w -= 0.1 * (m / (1 - 0.8**t)) / (np.sqrt(v / (1 - 0.95**t)) + 1e-7)
        expected.append(w)
    assert one_step(optimizers.Adam(0.1, beta_1=0.8, beta_2=0.95)) == pytest.approx(expected, rel=1e-4)
    w, v, expected = 1.0, 0.0, []
    for _ in range(3):
        v = 0.7 * v + 0.3 * w * w
        w -= 0.1 * w / np.sqrt(v + 1e-7)
        expected.append(w)
    assert one_step(optimizers.RMSprop(0.1, rho=0.7)) == pytest.approx(expected, rel=1e-4)


def test_losses_and_metrics_as_objects() -> None:
    x, y = blobs()
    model = classifier()
    model.compile(
        "adam",
        losses.SparseCategoricalCrossentropy(),
        [metrics.SparseCategoricalAccuracy(), metrics.TopKCategoricalAccuracy(2, name="best")],
    )
    assert list(model.fit(x, y, verbose=0).history) == ["loss", "sparse_categorical_accuracy", "best"]
    logits = Sequential([Dense(3, input_dim=2)])
    logits.compile("adam", losses.CategoricalCrossentropy(from_logits=True))
    z = logits.predict(x, verbose=0)
    expected = (np.log(np.exp(z).sum(1)) - z[np.arange(60), y]).mean()
    assert logits.evaluate(x, to_categorical(y), verbose=0) == pytest.approx(expected, rel=1e-4)
    assert [f().kind for f in (losses.MeanSquaredError, losses.MeanAbsoluteError, losses.Huber)] == ["values"] * 3
    assert losses.BinaryCrossentropy(from_logits=True).from_logits


def test_validation_split_takes_the_end() -> None:
    x, y = blobs(50)
    model = classifier()
    model.compile("adam", "categorical_crossentropy", ["accuracy"])
    history = model.fit(x, y, validation_split=0.2, epochs=2, verbose=0)
    held = model.evaluate(x[40:], y[40:], verbose=0, return_dict=True)
    assert history.history["val_loss"][-1] == pytest.approx(held["loss"])
    with pytest.raises(ArgumentError, match="validation_split below 1"):
        model.fit(x, y, validation_split=1.5)
    with pytest.raises(ArgumentError, match="without validation_data"):
        model.fit(x, y, validation_split=0.5, validation_data=(x, y))


def test_evaluate_gives_a_number_a_list_or_a_dict() -> None:
    x, y = blobs()
    model = classifier()
    model.compile("adam", "categorical_crossentropy")
    assert isinstance(model.evaluate(x, y, verbose=0), float)
    model.compile("adam", "categorical_crossentropy", ["accuracy"])
    assert len(model.evaluate(x, y, verbose=0)) == 2
    assert set(model.evaluate(x, y, verbose=0, return_dict=True)) == {"loss", "accuracy"}


def test_a_convolutional_model_learns() -> None:
    """Which half of an image is bright."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 64)
    x = rng.normal(0, 0.3, (64, 8, 8, 1))
    x[y == 0, :, :4] += 1
    x[y == 1, :, 4:] += 1
    model = Sequential(
        [
            Input(shape=(8, 8, 1)),
            Conv2D(4, 3, padding="same", activation="relu"),
            BatchNormalization(),
            MaxPooling2D(),
            Conv2D(4, 3, activation="relu"),
            AveragePooling2D((2, 1)),
            Flatten(),
            Dropout(0.1),
            Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizers.Adam(0.01), "binary_crossentropy", ["accuracy"])
    history = model.fit(x, y, epochs=15, verbose=0)
    assert history.history["accuracy"][-1] > 0.95


# -- weights, names, the table ---------------------------------------------------------------------


def test_weights_go_out_and_in() -> None:
    x, _ = blobs()
    first, second = classifier(), classifier()
    second.set_weights([w + 1 for w in second.get_weights()])
    assert [w.shape for w in first.get_weights()] == [(2, 8), (8,), *[(8,)] * 4, (8, 3), (3,)]
    assert np.abs(first.predict(x, verbose=0) - second.predict(x, verbose=0)).max() > 0.01
    second.set_weights(first.get_weights())
    np.testing.assert_array_equal(first.predict(x, verbose=0), second.predict(x, verbose=0))
    assert first.layers[0].count_params() == 24
    assert first.count_params() == 24 + 32 + 27
    before = second.get_weights()
    with pytest.raises(ShapeError, match=r"dense_1\] expected a weight of shape \(8, 3\); got \(3, 8\)"):
        second.layers[3].set_weights([np.zeros((3, 8)), np.zeros(3)])
    with pytest.raises(ArgumentError, match="8 weights; got 7"):
        second.set_weights(before[:-1])
    for a, b in zip(before, second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_model_without_input_shape_waits() -> None:
    model = Sequential([Dense(4), Dense(2)])
    for method in (model.get_weights, model.count_params, lambda: model.save("never.keras")):
        with pytest.raises(DeferredInitializationError, match="input_shape="):
            method()
    model.predict(np.zeros((1, 3)), verbose=0)
    assert model.get_weights()[0].shape == (3, 4)


def test_names() -> None:
    model = Sequential(
        [Dense(2, input_dim=2), Dense(2, name="middle"), Conv2D(2, 1), MaxPooling2D(), MaxPooling2D(), Dense(2), BatchNormalization()],
        name="mine",
    )
    names = [layer.name for layer in model.layers]
    assert names == ["dense", "middle", "conv2d", "max_pooling2d", "max_pooling2d_1", "dense_1", "batch_normalization"]
    assert model.name == "mine"
    assert Sequential().name == "sequential"
    assert [layers.snake(n) for n in ("GlobalAveragePooling2D", "LayerNormalization", "InputLayer")] == [
        "global_average_pooling2d",
        "layer_normalization",
        "input_layer",
    ]


def test_summary(capsys: pytest.CaptureFixture[str]) -> None:
    model = Sequential([Input((8, 8, 1)), Conv2D(4, 3), BatchNormalization(), Flatten(), Dense(10, activation="softmax")])
    model.summary()
    text = capsys.readouterr().out
    assert 'Model: "sequential"' in text
    rows = [line.split() for line in text.splitlines()]
    assert ["conv2d", "(Conv2D)", "(None,", "6,", "6,", "4)", "40"] in rows
    assert ["flatten", "(Flatten)", "(None,", "144)", "0"] in rows
    assert ["dense", "(Dense)", "(None,", "10)", "1450"] in rows
    assert "Total params: 1,506" in text
    assert "Trainable params: 1,498" in text
    assert "Non-trainable params: 8" in text


def test_input_shapes() -> None:
    for model in (
        Sequential([InputLayer(input_shape=(4,)), Dense(2)]),
        Sequential([Input(shape=(4,)), Dense(2)]),
        Sequential([Dense(2, input_dim=4)]),
        Sequential([Dense(2, input_shape=(4,))]),
    ):
        assert model.input_shape == (None, 4)
        assert model.get_weights()[0].shape == (4, 2)
    assert Sequential([Embedding(10, 3, input_length=5), Flatten(), Dense(1)]).get_weights()[1].shape == (15, 1)


def test_blocks_of_gluon_stand_beside_layers_of_keras() -> None:
    x, y = blobs()
    model = Sequential([nn.Dense(8, activation="tanh"), Dense(3, activation="softmax")])
    model.compile("adam", gluon.loss.SoftmaxCrossEntropyLoss(), ["accuracy"])
    assert model.fit(x, y, epochs=2, verbose=0).history["loss"]
    model.hybridize()
    assert model.predict(x, verbose=0).shape == (60, 3)
