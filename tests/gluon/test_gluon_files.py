"""Parameter files: MXNet's are loaded, ours come back the same, and a failed load changes nothing."""

from pathlib import Path
from typing import Any

import numpy
import pytest
from support.gluon_blocks import sample
from support.paths import DATA

import hybridnet as hn
from hybridnet import autograd, init, np
from hybridnet.errors import DtypeError, FileFormatError, ShapeError
from hybridnet.gluon import nn


@pytest.fixture(autouse=True)
def seeded() -> None:
    hn.random.seed(7)


def golden() -> Any:
    net = nn.HybridSequential()
    net.add(nn.Dense(3), nn.BatchNorm())
    return net


@pytest.mark.parametrize("hybrid", [False, True])
def test_mxnets_files_are_loaded(hybrid: bool) -> None:
    net = golden()
    net.load_parameters(str(DATA / "mxnet_1_9_1_network.params"))
    net.hybridize(hybrid)
    numpy.testing.assert_allclose(net(np.array([[4.0, 8.0]])).asnumpy(), [[1, 8, 15]], rtol=1e-4)
    named = nn.HybridSequential(prefix="")
    named.add(nn.Dense(3, prefix="dense0_"), nn.BatchNorm(prefix="batchnorm0_"))
    named.collect_params().load(str(DATA / "mxnet_1_9_1_prefixed.params"))
    assert (named[0].weight.data() == net[0].weight.data()).all()
    again = golden()
    with pytest.raises(FileFormatError):
        again.load_parameters(str(DATA / "mxnet_1_9_1_list.params"))


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    file = str(tmp_path / "net.params")
    net = golden()
    net.initialize(init.Normal(1))
    x = sample(5, 2)
    with autograd.record():
        net(x)
    net.save_parameters(file)
    for way in ("structure", "full names", "dict"):
        other = nn.HybridSequential(prefix=net.prefix)
        other.add(nn.Dense(3, prefix=net[0].prefix), nn.BatchNorm(prefix=net[1].prefix))
        if way == "full names":
            net.collect_params().save(file)
        if way == "dict":
            other.load_dict({name: p.data().asnumpy() for name, p in net._collect_params_with_prefix().items()})
        else:
            other.load_parameters(file)
        numpy.testing.assert_array_equal(other(x).asnumpy(), net(x).asnumpy())


def test_shared_parameters_are_written_once_if_asked(tmp_path: Path) -> None:
    file = str(tmp_path / "net.params")
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=2), nn.Dense(2, in_units=2))
    net[1].share_parameters(net[0].collect_params())
    net.initialize()
    net.save_parameters(file)
    assert len(hn.serialization.load_named(file)) == 4
    net.save_parameters(file, deduplicate=True)
    assert list(hn.serialization.load_named(file)) == ["0.weight", "0.bias"]
    net.load_parameters(file)


def test_a_failed_load_changes_nothing(tmp_path: Path) -> None:
    good = str(DATA / "mxnet_1_9_1_network.params")
    net = golden()
    net.initialize(init.Normal(1))
    net(sample(2, 2))
    before = {name: p.data().asnumpy() for name, p in net.collect_params().items()}
    arrays = hn.serialization.load_named(good)

    def fails(error: type[Exception], pattern: str, change: Any) -> None:
        values = dict(arrays)
        change(values)
        hn.serialization.save(tmp_path / "bad.params", values)
        with pytest.raises(error, match=pattern):
            net.load_parameters(str(tmp_path / "bad.params"))
        for name, p in net.collect_params().items():
            numpy.testing.assert_array_equal(p.data().asnumpy(), before[name])

    def put(name: str, value: Any) -> Any:
        return lambda values: values.update({name: value})

    four = numpy.ones(4, numpy.float32)
    fails(ShapeError, r"shape \(3,\) for parameter '.*running_var'; got \(4,\) in .*bad\.params", put("1.running_var", four))
    missing = r"'1\.running_var' in .*bad\.params.*it has '1\.running_mean'.*allow_missing=True"
    fails(FileFormatError, missing, lambda values: values.pop("1.running_var"))
    fails(FileFormatError, r"'2\.weight', which the network lacks.*ignore_extra=True", put("2.weight", four))
    fails(DtypeError, r"float32 for parameter.*float64.*cast_dtype=True", put("1.running_var", numpy.ones(3)))
    (tmp_path / "cut.params").write_bytes(Path(good).read_bytes()[:-30])
    with pytest.raises(FileFormatError, match="truncated"):
        net.load_parameters(str(tmp_path / "cut.params"))
    hn.serialization.save(tmp_path / "part.params", {"0.weight": arrays["0.weight"], "9.bias": arrays["0.bias"]})
    net.load_parameters(str(tmp_path / "part.params"), allow_missing=True, ignore_extra=True)
    numpy.testing.assert_array_equal(net[0].weight.data().asnumpy(), arrays["0.weight"])
    numpy.testing.assert_array_equal(net[0].bias.data().asnumpy(), before[net[0].bias.name])


def test_dtypes_are_cast_as_asked(tmp_path: Path) -> None:
    file = str(tmp_path / "half.params")
    net = nn.Dense(2, in_units=2)
    net.initialize()
    net.cast("float16")
    net.save_parameters(file)
    other = nn.Dense(2, in_units=2)
    other.load_parameters(file, cast_dtype=True)
    assert other.weight.dtype == numpy.float32
    other.load_parameters(file, cast_dtype=True, dtype_source="saved")
    assert other.weight.dtype == numpy.float16 == other.weight.data().dtype
