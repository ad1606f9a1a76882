"""``import mxnet``: one identity for each object, MXNet's version and rules, its pickles, and programs run as they are."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import ROOT

import hybridnet as hn
from hybridnet.compat.mxnet.__main__ import main

PICKLES = ROOT / "tests" / "data" / "mxnet_1_9_1_pickles.bin"
OPTIMIZERS = PICKLES.with_name("mxnet_1_9_1_pickled_optimizers.bin")


def run(*arguments: str, cwd: Path = ROOT, module: str = "hybridnet.compat.mxnet") -> subprocess.CompletedProcess[str]:
    """``python -m hybridnet.compat.mxnet`` with these arguments, in a process of its own."""
    command = [sys.executable, "-W", "error", "-m", module, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env={"PYTHONPATH": str(ROOT)}, timeout=120, check=False)


#: Pieces of programs, and what they print; all run in one process, each in a namespace of its own.
PROGRAMS: dict[str, tuple[str, list[str]]] = {}


def program(name: str, code: str, *lines: str) -> None:
    PROGRAMS[name] = code, list(lines)


_RUNNER = """
import contextlib, io, json, sys, threading
results = {}
for name, code in json.loads(sys.argv[1]).items():
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        try:
            exec(code, {"__name__": "__main__"})
        except Exception as error:
            print(type(error).__name__, error)
    results[name] = stream.getvalue().splitlines()
json.dump(results, sys.stdout)
"""


@pytest.fixture(scope="module")
def printed() -> dict[str, list[str]]:
    done = run("-c", _RUNNER, json.dumps({name: code for name, (code, _) in PROGRAMS.items()}))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


program(
    "one identity",
    """
import mxnet as mx, hybridnet as hn
import mxnet.gluon.nn as nn
from mxnet import gluon, nd, autograd, sym
from mxnet.gluon.block import HybridBlock
from mxnet.ndarray.ndarray import NDArray
from mxnet.contrib import ndarray as contrib
import mxnet.contrib.ndarray as again, mxnet.ndarray.numpy.random as npr
print(nn is hn.gluon.nn, gluon is hn.gluon, HybridBlock is hn.gluon.HybridBlock, NDArray is hn.nd.NDArray, sym is hn.sym)
print(contrib is again is hn.nd.contrib, mx.kv is hn.kvstore, mx.base.MXNetError is hn.MXNetError, npr is hn.np.random)
print(nn.__spec__.name, nn.__name__, mx.__version__, hn.__version__ != mx.__version__, mx.__name__)
""",
    "True True True True True",
    "True True True True",
    "hybridnet.gluon.nn hybridnet.gluon.nn 1.9.1 True mxnet",
)
program(
    "rules are MXNet's in every thread",
    """
import threading, mxnet as mx
print(mx.util.is_np_array(), mx.is_np_shape())
seen = []
t = threading.Thread(target=lambda: seen.append(mx.util.is_np_array())); t.start(); t.join(); print(seen)
p = mx.gluon.Parameter("p", shape=(2,)); p.initialize(); print(type(p.data()) is mx.nd.NDArray)
""",
    "False False",
    "[False]",
    "True",
)
program(
    "gradients of one variable are a list",
    """
import mxnet as mx
x = mx.nd.array([1, 2]); x.attach_grad()
with mx.autograd.record():
    y = (x * x).sum()
    slope = mx.autograd.grad(y, x, create_graph=True)[0]
    total = slope.sum()
total.backward()
print(slope.asnumpy().tolist(), x.grad.asnumpy().tolist())
""",
    "[2.0, 4.0] [2.0, 2.0]",
)
program(
    "children and parameters",
    """
import mxnet as mx
net = mx.gluon.nn.HybridSequential(); net.add(mx.gluon.nn.Dense(2, in_units=3)); net.initialize()
print(list(net._children), list(net._collect_params_with_prefix()), mx.gluon.Parameter("p", differentiable=False)._differentiable)
print(net.collect_params()[net[0].weight.name]._reduce().shape)
""",
    "['0'] ['0.weight', '0.bias'] False",
    "(2, 3)",
)
program(
    "pickles of MXNet 1.9.1",
    f"""
import pickle, mxnet as mx
for name, data in pickle.load(open({str(PICKLES)!r}, "rb")).items():
    value = pickle.loads(data)
    if name in ("nd", "np"): print(name, type(value) is (mx.nd.NDArray if name == "nd" else mx.np.ndarray), value.asnumpy().tolist())
    elif name == "states": print(name, [round(x, 3) for x in value[0].asnumpy().tolist()])
    elif name == "sym": print(name, value.list_arguments(), value.list_outputs())
    else: print(name, type(value).__name__, value if isinstance(value, (str, tuple)) else "")
""",
    "nd True [[1.0, 2.0], [3.0, 4.0]]",
    "np True [1.0, 2.0]",
    "sym ['x', 'fc_weight', 'fc_bias'] ['fc_output']",
    "desc DataDesc DataDesc[data,(2, 3),<class 'numpy.float32'>,NCHW]",
    "metric Accuracy ",
    "init Xavier ",
    "states [-0.01, -0.01, -0.01]",
)
program(
    "optimizers that MXNet 1.9.1 pickled step as they did there, and its contexts are devices",
    f"""
import pickle, numpy, mxnet as mx
data = pickle.load(open({str(OPTIMIZERS)!r}, "rb"))
for name, pickled, expected in data["optimizers"]:
    update, weight = mx.optimizer.get_updater(pickle.loads(pickled)), mx.nd.array([[1.0, 2.0, 3.0]])
    for _ in range(3): update(0, mx.nd.array([[0.5, -1.0, 2.0]]), weight)
    if not numpy.allclose(weight.asnumpy(), expected, 1e-4, 1e-4): print(name, weight.asnumpy(), expected)
print(len(data["optimizers"]))
context = pickle.loads(data["context"])
print(context, context == mx.cpu(1), mx.cpu(1) == context, context != mx.cpu(0), {{mx.cpu(1): "found"}}[context])
print(mx.nd.ones((1,), ctx=context).context is mx.cpu(1), mx.Context(context) is mx.cpu(1))
print(isinstance(context, mx.Context), pickle.loads(pickle.dumps(context)) is mx.cpu(1))
with context: print(mx.current_context(), mx.nd.ones((1,)).context)
print(mx.cpu(0), mx.cpu(1))
""",
    "17",
    "cpu(1) True True True found",
    "True True",
    "True True",
    "cpu(1) cpu(1)",
    "cpu(0) cpu(1)",
)
program(
    "pickles made under the alias",
    """
import pickle, mxnet as mx
print(*map(type, pickle.loads(pickle.dumps([mx.nd.ones(2), mx.cpu(), mx.sym.var("a")]))))
""",
    "<class 'hybridnet.ndarray.classic.NDArray'> <class 'hybridnet.device.device.Device'> <class 'hybridnet.symbol.symbol.Symbol'>",
)
program(
    "missing modules may be asked for",
    """
import importlib.util, mxnet
try: import mxnet.notebook
except ModuleNotFoundError as e: print(e.name)
try: import mxnet.gluon.nothing
except ImportError as e: print(type(e).__name__)
""",
    "mxnet.notebook",
    "MissingModuleError",
)
program(
    "a second call changes nothing",
    """
import sys, mxnet as mx
from hybridnet.compat.mxnet import install
before = list(sys.meta_path), list(sys.path)
mx.util.set_np()
print(install() is mx, before == (list(sys.meta_path), list(sys.path)), mx.util.is_np_array())
mx.util.reset_np()
""",
    "True True True",
)
program(
    "NumPy's names of that time",
    """
import numpy as np, mxnet as mx
print(np.float is float, np.Inf == np.inf, np.product([2, 3]), np.asscalar(np.ones(1)), np.in1d([1, 2], [2]), np.bool is np.bool_)
""",
    "True True 6 1.0 [False  True] True",
)
program(
    "what libraries take of MXNet's loader",
    """
from mxnet.gluon.data.dataloader import _MultiWorkerIter, default_mp_batchify_fn, default_batchify_fn
print(default_mp_batchify_fn is default_batchify_fn)
_MultiWorkerIter(None, [])
""",
    "True",
    "ArgumentError [_MultiWorkerIter] expected a DataLoader; got the inside of MXNet's, which is not here; at <string>:4; "
    "try DataLoader(num_workers=...)",
)

MISSING = {
    "import mxnet.notebook": "MissingModuleError [mxnet.notebook] expected a module of MXNet 1.9.1 that hybridnet has",
    "from mxnet import rtc": "AbsentImportError [hybridnet.rtc] expected a name that is there; got one of MXNet's that is not there yet",
    "import mxnet as mx; mx.nothing_such": "AbsentError [hybridnet.nothing_such] expected a name of hybridnet",
    "import mxnet as mx; mx.base._LIB": "AbsentError [hybridnet.base._LIB]",
    "import mxnet as mx; mx.library.load('x.so')": "ArgumentError [library.load]",
    "import mxnet as mx; mx.kvstore.KVStoreServer(None)": "ArgumentError [KVStoreServer]",
}
for _statement in MISSING:
    program(_statement, _statement)


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name not in MISSING])
def test_program(printed: dict[str, list[str]], name: str) -> None:
    assert printed[name] == PROGRAMS[name][1]


@pytest.mark.parametrize("statement", MISSING)
def test_what_is_missing_is_told(printed: dict[str, list[str]], statement: str) -> None:
    (line,) = printed[statement]
    assert line.startswith(MISSING[statement])


@pytest.mark.parametrize(
    "name",
    [
        "gluon.block.HybridBlock", "base._as_list", "base.MXNetError", "base._Null", "kv.create", "contrib.ndarray.box_nms", "contrib.nd",
        "nd._internal._plus_scalar", "sym._internal._plus_scalar", "AttrScope", "name.Prefix", "executor.Executor", "io.NDArrayIter",
        "registry.get_register_func", "gluon.block._flatten", "gluon.block._regroup", "gluon.data.dataloader.default_batchify_fn",
        "context.current_context", "gluon.parameter.DeferredInitializationError", "gluon.Block._collect_params_with_prefix",
        "gluon.Parameter._load_init", "gluon.Parameter._reduce", "gluon.utils.split_and_load", "module.executor_group", "mod.Module",
        "model.load_checkpoint", "callback.Speedometer", "mon.Monitor", "viz.print_summary", "rnn.LSTMCell", "test_utils.get_mnist",
        "engine.bulk", "runtime.Features", "profiler.set_state", "error.InternalError", "log.get_logger", "rnd.seed", "contrib.amp",
        "contrib.autograd.grad_and_loss", "contrib.io.DataLoaderIter", "util.use_np", "kvstore.KVStoreServer", "optimizer.get_updater",
    ],
)  # fmt: skip
def test_names_that_programs_reach(name: str) -> None:
    target = hn
    for part in name.split("."):
        target = getattr(target, part)


def test_a_script_with_arguments_and_workers_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("import mxnet as mx\ndef double(x): return (mx.nd.array([x]) * 2).asscalar()\n")
    (tmp_path / "train.py").write_text(
        "import multiprocessing, sys\nimport mxnet as mx\nfrom helper import double\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(sys.argv[1:], pool.map(double, [1, 2]), mx.__version__)\n"
    )
    done = run(str(tmp_path / "train.py"), "--epochs", "3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "['--epochs', '3'] [2.0, 4.0] 1.9.1\n"


def test_a_module_as_a_script(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("import sys, mxnet as mx\nprint(sys.argv[1:], mx.nd.zeros((1,)).asscalar(), __name__)\n")
    done = run("-m", "program", "a", cwd=tmp_path)
    assert done.stdout == "['a'] 0.0 __main__\n", done.stderr


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-m"]) == main([]) == 2
    assert main(["--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: python -m hybridnet.compat.mxnet")


def test_the_distribution_is_a_package_that_does_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--distribution"]) == 0
    folder = Path(capsys.readouterr().out.strip())
    assert 'version = "1.9.1"' in (folder / "pyproject.toml").read_text()
    code = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(folder)!r}]; import mxnet as mx; from mxnet import gluon; "
    code += "import hybridnet; print(mx.__version__, gluon is hybridnet.gluon, mx is sys.modules['mxnet'], mx.util.is_np_array())"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "1.9.1 True True False\n"


def test_another_mxnet_is_not_taken_away(tmp_path: Path) -> None:
    (tmp_path / "mxnet.py").write_text("__version__ = '1.9.0'\n")
    code = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(tmp_path)!r}]; import mxnet; import hybridnet.compat.mxnet as m; m.install()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "expected a process that has not imported another mxnet" in done.stderr
