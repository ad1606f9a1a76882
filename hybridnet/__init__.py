"""hybridnet: deep learning, imperative to write and symbolic to run."""
