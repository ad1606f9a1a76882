"""Transformers: GPT-2 and Llama, which write on by :class:`Generator`, BERT and ViT.

    net = transformers.gpt2_124m()
    hugging_face.load(net, "gpt2/model.safetensors")
    tokens = transformers.Generator(net)([[464, 3290]], new_tokens=20)

They are blocks over ``np`` and ``npx``. Trained weights come from Hugging Face's files: :mod:`hybridnet.gluon.model_zoo.hugging_face`.
"""

from hybridnet.gluon.model_zoo.transformers.bert import BERT, bert_base, bert_large
from hybridnet.gluon.model_zoo.transformers.generation import Generator
from hybridnet.gluon.model_zoo.transformers.gpt2 import GPT2, gpt2_124m, gpt2_355m, gpt2_774m
from hybridnet.gluon.model_zoo.transformers.language_model import LanguageModel
from hybridnet.gluon.model_zoo.transformers.llama import Llama, llama_7b
from hybridnet.gluon.model_zoo.transformers.vit import ViT, vit_base, vit_large

__all__ = [
    "BERT", "GPT2", "Generator", "LanguageModel", "Llama", "ViT", "bert_base", "bert_large", "gpt2_124m", "gpt2_355m", "gpt2_774m",
    "llama_7b", "vit_base", "vit_large",
]  # fmt: skip
