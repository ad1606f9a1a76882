"""Write docs/hugging_face.md: which array of a file is which parameter. ``python tests/gluon/hugging_face_table.py`` from the top."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docs" / "hugging_face.md"

HEAD = """# Weights from Hugging Face and PyTorch

Written by `tests/gluon/hugging_face_table.py`. `gluon.model_zoo.hugging_face.from_folder(folder)` makes a network of what `config.json`
says and reads the weights beside it; `hugging_face.load(net, file)` reads them into a network, `hugging_face.save(net, file)` writes them
back. `{}` is a number; `[0/3]` the first of three equal parts of the outputs; transposed weights are (inputs, units) in the file. Small
networks of each kind, with random weights that `transformers` and `torch` wrote, are compared by `tests/gluon/test_hugging_face.py`.

Any other network is read as the `state_dict` of a PyTorch module whose parts have the same names: dense and convolution layers,
transposed ones too, norms, embeddings, recurrent layers and cells, `MultiheadAttention`, `TransformerEncoderLayer`,
`TransformerDecoderLayer`.
"""


def table() -> str:
    """The text of the file."""
    from hybridnet.gluon.model_zoo.hugging_face import RULES
    from hybridnet.gluon.model_zoo.hugging_face.folders import MODEL_TYPES

    text = HEAD
    for cls, ways in RULES.items():
        kinds = ", ".join(f"`{kind}`" for kind, config in MODEL_TYPES.items() if config.network is cls)
        for number, rules in enumerate(ways):
            text += f"\n## {cls.__name__}" + ", in another way" * bool(number) + "\n\n"
            text += f"`model_type` {kinds}; " if not number else ""
            text += f"names begin with `{rules.prefix}` or not" if rules.prefix else "names as they stand"
            text += ".\n\n| here | there | what |\n|---|---|---|\n"
            text += "".join(f"| `{here}` | `{there}` | {kind} |\n" for here, (kind, there) in rules.layers.items())
    return text


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    FILE.write_text(table(), encoding="utf-8")
