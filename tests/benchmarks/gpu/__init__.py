"""The benchmarks on a CUDA device; see README.md in the folder above."""
