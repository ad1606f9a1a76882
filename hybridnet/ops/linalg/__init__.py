"""Products of matrices and tensors, decompositions, ``np.linalg``."""
