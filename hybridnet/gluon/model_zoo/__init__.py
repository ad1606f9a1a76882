"""Networks that others have trained: of images (``vision``) and of sequences (``transformers``), and how to come by their weights:
MXNet's files (``model_store``) and Hugging Face's (``hugging_face``)."""

from hybridnet.gluon.model_zoo import hugging_face, model_store, transformers, vision

__all__ = ["hugging_face", "model_store", "transformers", "vision"]
