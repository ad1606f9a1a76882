#!/usr/bin/env bash
# Everything that wants a CUDA device, in one command of at most 8 minutes:
#
#     tests/gpu.sh FOLDER
#
# what only a device can settle (benchmarks/gpu/smoke.py), the tests marked gpu, the benchmarks against PyTorch and JAX.
# Ends in a short table; all figures are JSON in FOLDER. A part that fails costs itself alone.
# No network is needed: wheels in .whl/ are installed as they are; kernels compiled beforehand are taken from
# build/cubins (benchmarks/gpu/precompile.py), where those that are missing are put.
set -uo pipefail
folder=$(realpath -m "${1:?usage: tests/gpu.sh FOLDER}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p "$folder"

limit=480 # seconds
SECONDS=0
export PYTHONPATH="$PWD/tests/benchmarks:$PWD${PYTHONPATH:+:$PYTHONPATH}"
export HYBRIDNET_CACHE_DIR="${HYBRIDNET_CACHE_DIR:-$PWD/build/cubins}"
# What the peers compile is kept too, so that a second run measures more of what the first had no time for.
export TORCHINDUCTOR_CACHE_DIR="${TORCHINDUCTOR_CACHE_DIR:-$PWD/build/peers/torch}"
export JAX_COMPILATION_CACHE_DIR="${JAX_COMPILATION_CACHE_DIR:-$PWD/build/peers/jax}"

if compgen -G ".whl/*.whl" >/dev/null; then
    python3 -m pip install --quiet --no-deps --no-index .whl/*.whl || echo "!! the wheels in .whl could not be installed"
fi

echo "== questions"
timeout -k 5 75 python3 -m gpu.smoke "$folder" || echo "!! not all questions were asked"

echo "== tests"
if python3 -c "import pytest, hypothesis" 2>/dev/null; then
    timeout -k 5 100 python3 -m pytest -q -m gpu -p no:cacheprovider --junitxml="$folder/tests.xml" tests >"$folder/tests.txt" 2>&1 ||
        echo "!! the tests failed, or took too long: $folder/tests.txt"
    tail -n 3 "$folder/tests.txt"
else
    echo "!! no tests: pytest and hypothesis are missing here (wheels of them in .whl would do)"
fi

echo "== benchmarks ($((limit - SECONDS)) s left)"
seconds=$((limit - SECONDS - 15))
timeout -k 5 $((seconds + 10)) python3 -m gpu.run "$folder" --seconds "$seconds" || echo "!! the benchmarks failed: $folder/logs"
echo "took $SECONDS s; figures in $folder"
