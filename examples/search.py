"""A search for hyper-parameters with Optuna: learning rate, width, dropout, optimizer, on handwritten digits.

Each trial is one ``fit``. An event handler, as ``fit(callbacks=...)`` takes it, tells Optuna the accuracy after each epoch, and ends trials
early that are behind the others. What was found is trained once more, longer, and measured on images that no trial has seen.

    pip install -e ".[examples]" && python examples/search.py --trials 20
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy
import optuna
from sklearn.datasets import load_digits

import hybridnet as hn
from hybridnet.gluon import nn
from hybridnet.gluon.contrib.estimator import EpochEnd

Data = tuple[Any, Any]


def data() -> tuple[Data, Data, Data]:
    """Images (n, 64) from 0 to 1 and digits: to train, to choose by, and to measure at the end."""
    digits = load_digits()
    order = numpy.random.default_rng(0).permutation(len(digits.target))
    x, y = (digits.data[order] / 16).astype("float32"), digits.target[order].astype("int32")
    return (x[600:], y[600:]), (x[300:600], y[300:600]), (x[:300], y[:300])


def network(trial: Any) -> nn.HybridSequential:
    """What the trial asks for, ready for ``fit``."""
    net = nn.HybridSequential()
    for i in range(trial.suggest_int("layers", 1, 3)):
        net.add(nn.Dense(trial.suggest_int(f"units{i}", 16, 128, log=True), activation="relu"))
        net.add(nn.Dropout(trial.suggest_float("dropout", 0.0, 0.5)))
    net.add(nn.Dense(10))
    name = trial.suggest_categorical("optimizer", ["sgd", "adam", "adamw"])
    rate = trial.suggest_float("learning_rate", 1e-4, 1.0, log=True)
    net.initialize(hn.init.Xavier())
    net.compile(optimizer=hn.optimizer.create(name, learning_rate=rate), loss="softmax_cross_entropy", metrics=["accuracy"])
    return net


class Report(EpochEnd):
    """Tells Optuna how far a trial is, and ends it if it is not worth going on."""

    def __init__(self, trial: Any, net: Any, held_out: Data) -> None:
        self.trial, self.net, self.held_out, self.epoch = trial, net, held_out, 0

    def epoch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        self.trial.report(accuracy_of(self.net, *self.held_out), self.epoch)
        self.epoch += 1
        if self.trial.should_prune():
            raise optuna.TrialPruned


def accuracy_of(net: Any, x: Any, y: Any) -> float:
    return float((net.predict(x).argmax(axis=1) == y).mean())


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Run the example; gives what a test looks at."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=8, help="of a trial; what was found is trained three times as long")
    parser.add_argument("--quiet", action="store_true", help="not a line a trial")
    args = parser.parse_args(arguments)
    optuna.logging.set_verbosity(optuna.logging.WARNING if args.quiet else optuna.logging.INFO)
    train, chosen_by, held_out = data()

    def objective(trial: Any) -> float:
        hn.random.seed(0)
        net = network(trial)
        net.fit(*train, epochs=args.epochs, batch_size=64, verbose=0, callbacks=[Report(trial, net, chosen_by)])
        return accuracy_of(net, *chosen_by)

    sampler, pruner = optuna.samplers.TPESampler(seed=0), optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    study.optimize(objective, n_trials=args.trials)

    hn.random.seed(0)
    net = network(study.best_trial)
    net.fit(*train, epochs=3 * args.epochs, batch_size=64, verbose=0)
    pruned = sum(t.state == optuna.trial.TrialState.PRUNED for t in study.trials)
    accuracy = accuracy_of(net, *held_out)
    print(f"{len(study.trials)} trials, of which {pruned} were ended early; the best: {study.best_value:.4f} with {study.best_params}")
    print(f"trained longer, on images that no trial has seen: {accuracy:.4f}")
    return {"accuracy": accuracy, "best": study.best_value, "values": [t.value for t in study.trials], "pruned": pruned}


if __name__ == "__main__":
    main()
