"""Small GPT-2, BERT and ViT with random weights as the library ``transformers`` writes them, and what it computes with them.

    python tests/references/hugging_face.py      # with torch, transformers and safetensors: writes tests/data/hugging_face

It is run by hand. Of each network there is a folder as on Hugging Face, config.json and model.safetensors, and beside these
expected.safetensors: inputs and outputs. With ``--resnet50 FOLDER``, and torchvision, it writes there a whole ResNet-50, which is too large
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


def keep(name: str, model: Any, **arrays: torch.Tensor) -> None:
    folder = FOLDER / name
    model.save_pretrained(folder)
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


if __name__ == "__main__":
    main()
