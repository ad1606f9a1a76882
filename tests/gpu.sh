#!/usr/bin/env bash
# Everything that wants a CUDA device, in one command of at most 8 minutes:
#
#     tests/gpu.sh FOLDER [--parts compile,questions,...] [--dry-run]
#
# whether every kernel compiles there, what only a device can settle, the tests marked gpu, the benchmarks against PyTorch and
# JAX. FOLDER gets an archive of all results and a short table; tests/benchmarks/README.md names the parts (also: PARTS=a,b).
# No network is needed: wheels in .whl/ are installed as they are; kernels compiled beforehand are taken from
# build/cubins (benchmarks/gpu/precompile.py), where those that are missing are put.
set -uo pipefail
folder=$(realpath -m "${1:?usage: tests/gpu.sh FOLDER [--parts PART,PART...] [--dry-run]}")
shift
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export PYTHONPATH="$PWD/tests/benchmarks:$PWD/tests:$PWD${PYTHONPATH:+:$PYTHONPATH}"
export HYBRIDNET_CACHE_DIR="${HYBRIDNET_CACHE_DIR:-$PWD/build/cubins}"
# What CuPy and the peers compile is kept too, so that a second run measures more of what the first had no time for.
export CUPY_CACHE_DIR="${CUPY_CACHE_DIR:-$PWD/build/cupy}"
export TORCHINDUCTOR_CACHE_DIR="${TORCHINDUCTOR_CACHE_DIR:-$PWD/build/peers/torch}"
export JAX_COMPILATION_CACHE_DIR="${JAX_COMPILATION_CACHE_DIR:-$PWD/build/peers/jax}"

if compgen -G ".whl/*.whl" >/dev/null; then
    python3 -m pip install --quiet --no-deps --no-index .whl/*.whl || echo "!! the wheels in .whl could not be installed"
fi
exec python3 -u -m gpu.parts "$folder" "$@"
