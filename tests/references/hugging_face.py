"""Small networks with random weights as the library ``transformers`` writes them, and what it computes with them.

    python tests/references/hugging_face.py      # with torch, transformers and safetensors: writes tests/data/hugging_face

It is run by hand. Of each network there is a folder as on Hugging Face, config.json and model.safetensors, and beside these
expected.safetensors: inputs and outputs. In ``torch`` there is a module of PyTorch's layers, which the test builds of Gluon's.
With ``--resnet50 FOLDER``, and torchvision, it writes there a whole ResNet-50, which is too large
to keep, in the same form.
"""

import argparse
import warnings
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file

FOLDER = Path(__file__).resolve().parent.parent / "data" / "hugging_face"
SMALL = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12}


def drawn(model: Any) -> Any:
    """``model`` with weights that are far from those it starts with, ready to predict."""
    for p in model.parameters():
        torch.nn.init.normal_(p, 0.0 if p.dim() > 1 else 0.5, 0.3)
    return model.eval()


def keep(name: str, model: Any, shard_size: str = "1GB", **arrays: torch.Tensor) -> None:
    folder = FOLDER / name
    model.save_pretrained(folder, max_shard_size=shard_size)
    (folder / "generation_config.json").unlink(missing_ok=True)
    save_file({key: value.contiguous() for key, value in arrays.items()}, folder / "expected.safetensors")


def gpt2(tokens: torch.Tensor) -> None:
    config = transformers.GPT2Config(vocab_size=17, n_positions=16, n_embd=8, n_layer=2, n_head=2, bos_token_id=None, eos_token_id=None)
    model = drawn(transformers.GPT2LMHeadModel(config))
    continued = model.generate(tokens, max_new_tokens=9, do_sample=False)
    keep("gpt2", model, tokens=tokens, scores=model(tokens).logits, continued=continued)


def bert(tokens: torch.Tensor) -> None:
    """With what it was trained by, and 5 tokens of the second sequence."""
    model = drawn(transformers.BertForPreTraining(transformers.BertConfig(vocab_size=17, max_position_embeddings=16, **SMALL)))
    valid_length = torch.tensor([tokens.shape[1], 5])
    mask = torch.arange(tokens.shape[1]) < valid_length[:, None]
    token_types = torch.randint(0, 2, tokens.shape)
    found = model.bert(tokens, attention_mask=mask, token_type_ids=token_types)
    arrays = {"sequence": found.last_hidden_state, "pooled": found.pooler_output}
    keep("bert", model, tokens=tokens, token_types=token_types, valid_length=valid_length, **arrays)


def vit() -> None:
    model = drawn(transformers.ViTForImageClassification(transformers.ViTConfig(image_size=12, patch_size=4, num_labels=3, **SMALL)))
    images = torch.randn(2, 3, 12, 12)
    keep("vit", model, images=images, scores=model(images).logits)


def llama(tokens: torch.Tensor) -> None:
    """With two queries a key."""
    config = transformers.LlamaConfig(
        vocab_size=17,
        max_position_embeddings=24,
        num_key_value_heads=2,
        rope_parameters={"rope_theta": 500.0, "rope_type": "default"},
        bos_token_id=None,
        eos_token_id=None,
        **SMALL | {"num_attention_heads": 4, "hidden_size": 16},
    )
    model = drawn(transformers.LlamaForCausalLM(config))
    continued = model.generate(tokens, max_new_tokens=9, do_sample=False)
    keep("llama", model, tokens=tokens, scores=model(tokens).logits, continued=continued)


def mistral(tokens: torch.Tensor) -> None:
    """In bfloat16, in several files, without a table of its own for the scores; what it computes in float32 with these weights."""
    given = {"sliding_window": None, "tie_word_embeddings": True, "bos_token_id": None, "eos_token_id": None, **SMALL}
    config = transformers.MistralConfig(vocab_size=17, max_position_embeddings=16, num_key_value_heads=1, **given)
    model = drawn(transformers.MistralForCausalLM(config)).to(torch.bfloat16)
    scores = transformers.MistralForCausalLM(config).eval()
    scores.load_state_dict({name: x.float() for name, x in model.state_dict().items()})
    keep("mistral", model, "1KB", tokens=tokens, scores=scores(tokens).logits)


def far_norms(model: Any) -> Any:
    for part in model.modules():
        if isinstance(part, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)):
            torch.nn.init.uniform_(part.running_mean, -0.5, 0.5)
            torch.nn.init.uniform_(part.running_var, 0.5, 1.5)
    return model


def resnet(kind: str) -> None:
    sizes = [2, 4, 8, 16] if kind == "basic" else [8, 16, 32, 64]
    config = transformers.ResNetConfig(embedding_size=2, hidden_sizes=sizes, depths=[2, 1, 1, 1], layer_type=kind, num_labels=3)
    model = far_norms(drawn(transformers.ResNetForImageClassification(config)))
    images = torch.randn(2, 3, 32, 32)
    keep(f"resnet_{kind}", model, images=images, scores=model(images).logits)


class Layers(torch.nn.Module):
    """(batch, 3, length) through what PyTorch and Gluon both have."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv1d(3, 6, 3, padding=1)
        self.bn = torch.nn.BatchNorm1d(6)
        self.slope = torch.nn.PReLU()
        self.back = torch.nn.ConvTranspose1d(6, 4, 2, stride=2)
        self.lstm = torch.nn.LSTM(4, 5, num_layers=2, bidirectional=True, batch_first=True)
        self.gru = torch.nn.GRU(10, 6, batch_first=True)
        self.rnn = torch.nn.RNN(6, 8, batch_first=True)
        self.attention = torch.nn.MultiheadAttention(8, 2, batch_first=True)
        self.encoder = torch.nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, batch_first=True, norm_first=True)
        self.decoder = torch.nn.TransformerDecoderLayer(8, 2, 12, dropout=0.0, batch_first=True)
        self.norm = torch.nn.LayerNorm(8)
        self.head = torch.nn.Sequential(torch.nn.Linear(8, 7), torch.nn.GELU(), torch.nn.Linear(7, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.back(self.slope(self.bn(self.conv(x)))).transpose(1, 2)
        x = self.rnn(self.gru(self.lstm(x)[0])[0])[0]
        x = self.encoder(self.attention(x, x, x)[0])
        mask = torch.nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        return self.head(self.norm(self.decoder(x, x, tgt_mask=mask)))


def torch_layers() -> None:
    model = far_norms(drawn(Layers()))
    data = torch.randn(2, 3, 5)
    folder = FOLDER / "torch"
    folder.mkdir(exist_ok=True)
    save_file(model.state_dict(), folder / "model.safetensors")
    save_file({"data": data, "scores": model(data)}, folder / "expected.safetensors")


def resnet50(folder: Path) -> None:
    import torchvision

    model = torchvision.models.resnet50(num_classes=10)
    for part in model.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            for values, low, high in (
                (part.weight, 0.5, 1),
                (part.bias, -0.2, 0.2),
                (part.running_mean, -0.2, 0.2),
                (part.running_var, 0.5, 1.5),
            ):
                torch.nn.init.uniform_(values, low, high)
    images = torch.randn(2, 3, 64, 64)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(model.state_dict(), folder / "model.safetensors")
    save_file({"images": images, "scores": model.eval()(images)}, folder / "expected.safetensors")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resnet50", type=Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    with torch.no_grad():
        if arguments.resnet50 is not None:
            resnet50(arguments.resnet50)
            return
        tokens = torch.randint(0, 17, (2, 7))
        gpt2(tokens)
        bert(tokens)
        vit()
        llama(tokens)
        mistral(tokens)
        resnet("basic")
        resnet("bottleneck")
        torch_layers()


if __name__ == "__main__":
    main()
