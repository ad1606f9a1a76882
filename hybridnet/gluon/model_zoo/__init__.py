"""Networks that others have trained: of images (``vision``) and of sequences (``transformers``), and where their files lie."""

from hybridnet.gluon.model_zoo import model_store, vision

__all__ = ["model_store", "vision"]
