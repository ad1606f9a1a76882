"""Arrays of csr and row_sparse storage against MXNet 1.9.1: elements and storage of results and of gradients, updates by rows, files."""

import json
import re
import warnings
from typing import Any

import numpy
import pytest
from support.paths import DATA
from support.sparse_expressions import arrays, values, with_gradients

from hybridnet import autograd, nd, optimizer
from hybridnet.core.storage import StorageFallbackWarning

LINES = [json.loads(line) for line in (DATA / "mxnet_1_9_1_sparse.jsonl").read_text(encoding="utf-8").splitlines()]
EXPRESSIONS = [line for line in LINES if "expression" in line]
UPDATES = [line for line in LINES if "optimizer" in line]


@pytest.fixture(autouse=True)
def quiet() -> Any:
    """What is computed densely is told, here as elsewhere; it is not what these tests look at."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StorageFallbackWarning)
        warnings.simplefilter("ignore", RuntimeWarning)  # roots of negative numbers
        yield


#: Results of a storage other than MXNet's, and why.
OTHER_STORAGE = {"nd.add_n(c, c2)": "csr"}  # as c + c2, which MXNet gives too
#: Gradients that MXNet has not: of the norm of nothing but zeros, which is NaN there and 0 here.
NO_GRADIENT = re.compile(r"nd\.norm\(.*axis")


def evaluated(text: str, given: dict[str, Any]) -> Any:
    return eval(text, {"nd": nd, **given})


@pytest.mark.parametrize("line", EXPRESSIONS, ids=lambda line: line["expression"])
def test_results_are_mxnets(line: dict[str, Any]) -> None:
    text, (stype, elements) = line["expression"], line["result"]
    result = evaluated(text, arrays(nd))
    numpy.testing.assert_allclose(result.asnumpy(), numpy.array(elements).reshape(result.shape), rtol=1e-5, atol=1e-6)
    assert result.stype == OTHER_STORAGE.get(text, stype)


@pytest.mark.parametrize("line", [line for line in EXPRESSIONS if "gradients" in line], ids=lambda line: line["expression"])
def test_gradients_are_mxnets(line: dict[str, Any]) -> None:
    given = arrays(nd)
    with_gradients(line["expression"], given)
    with autograd.record():
        result = evaluated(line["expression"], given)
    result.backward()
    for name, (stype, elements) in line["gradients"].items():
        assert given[name].grad.stype == stype
        expected, found = numpy.array(elements), given[name].grad.asnumpy()
        if NO_GRADIENT.match(line["expression"]):
            found[numpy.isnan(expected)] = numpy.nan
        numpy.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("line", UPDATES, ids=lambda line: f"{line['optimizer']}-{line['settings']}-{line['stype']}")
def test_updates_by_rows_are_mxnets(line: dict[str, Any]) -> None:
    given = values()
    weight = nd.array(given["d"] + 3).tostype(line["stype"])
    updater = optimizer.get_updater(optimizer.create(line["optimizer"], learning_rate=0.1, **line["settings"]))
    for gradient in ("r", "r2", "r"):
        updater(0, nd.array(given[gradient]).tostype("row_sparse"), weight)
    assert weight.stype == line["stype"]
    numpy.testing.assert_allclose(weight.asnumpy(), numpy.array(line["weight"]), rtol=1e-5, atol=1e-6)
