"""Layers of transformers: attention and a feed-forward network, each with a norm and a way around it."""

from __future__ import annotations

from typing import Any

from hybridnet.device.groups import Group
from hybridnet.gluon.block import HybridBlock
from hybridnet.gluon.nn.activations import Activation, SiLU
from hybridnet.gluon.nn.attention import MultiHeadAttention
from hybridnet.gluon.nn.basic import Dropout
from hybridnet.gluon.nn.normalization import LayerNorm, RMSNorm
from hybridnet.gluon.nn.parallel import GroupDropout, entered, inputs_divided, outputs_divided
from hybridnet.ops.nn.common import one_of


class FeedForward(HybridBlock):
    """Dense(``hidden_units``), ``activation``, Dense(``units``), over the last axis, of ``in_units`` inputs (found at the first call).

    With ``group`` its ranks divide the hidden units (:mod:`hybridnet.gluon.nn.parallel`).
    """

    def __init__(
        self,
        units: int,
        hidden_units: int,
        activation: str = "relu",
        use_bias: bool = True,
        weight_initializer: Any = None,
        bias_initializer: Any = "zeros",
        in_units: int = 0,
        group: Group | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._group = group
        given: dict[str, Any] = {"weight_initializer": weight_initializer, "bias_initializer": bias_initializer}
        given |= {"use_bias": use_bias, "flatten": False, "in_units": in_units}
        with self.name_scope():
            self.up = outputs_divided(hidden_units, group, prefix="up_", **given)
            self.act: Any = self._activation(hidden_units, activation, given)
            self.down = inputs_divided(units, group, prefix="down_", **(given | {"in_units": hidden_units}))

    def _activation(self, hidden_units: int, activation: str, given: dict[str, Any]) -> Any:
        return Activation(activation, prefix=activation + "_")

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return self.down(self.act(self.up(entered(x, self._group))))


class SwiGLU(FeedForward):
    """Dense(``units``) of silu(gate · x) · (up · x), two products of ``hidden_units`` (Shazeer, arXiv 2002.05202)."""

    def __init__(self, units: int, hidden_units: int, use_bias: bool = False, **kwargs: Any) -> None:
        super().__init__(units, hidden_units, "silu", use_bias, **kwargs)

    def _activation(self, hidden_units: int, activation: str, given: dict[str, Any]) -> Any:
        self.gate = outputs_divided(hidden_units, self._group, prefix="gate_", **given)
        return SiLU(prefix="silu_")

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        x = entered(x, self._group)
        return self.down(self.act(self.gate(x)) * self.up(x))


class _TransformerLayer(HybridBlock):
    """What encoder and decoder layers share: how a part goes together with its norm and the way around it."""

    def __init__(
        self,
        units: int,
        num_heads: int,
        hidden_units: int,
        num_kv_heads: int | None = None,
        dropout: float = 0.0,
        activation: str = "relu",
        norm: str = "layer",
        pre_norm: bool = False,
        causal: bool = False,
        rotary: float | None = None,
        epsilon: float = 1e-5,
        use_bias: bool = True,
        weight_initializer: Any = None,
        bias_initializer: Any = "zeros",
        group: Group | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        one_of(type(self).__name__, "norm", norm, ("layer", "rms"))
        self._pre_norm = pre_norm
        self._norm, self._epsilon, self._units = norm, epsilon, units
        #: What all parts take.
        self._given: dict[str, Any] = {"weight_initializer": weight_initializer, "bias_initializer": bias_initializer}
        self._given |= {"use_bias": use_bias, "group": group}
        heads = units, num_heads, num_kv_heads
        with self.name_scope():
            self.attention = MultiHeadAttention(*heads, causal, rotary, in_units=units, prefix="attention_", **self._given)
            self.attention_norm = self._normed("attention_norm_")
            self._more_parts(*heads)
            self.ffn: Any
            if activation == "swiglu":
                self.ffn = SwiGLU(units, hidden_units, in_units=units, prefix="ffn_", **self._given)
            else:
                self.ffn = FeedForward(units, hidden_units, activation, in_units=units, prefix="ffn_", **self._given)
            self.ffn_norm = self._normed("ffn_norm_")
            self.dropout = Dropout(dropout) if group is None else GroupDropout(dropout, group)

    def _more_parts(self, units: int, num_heads: int, num_kv_heads: int | None) -> None:
        """Parts between attention and feed-forward."""

    def _normed(self, prefix: str) -> Any:
        return (LayerNorm if self._norm == "layer" else RMSNorm)(epsilon=self._epsilon, in_channels=self._units, prefix=prefix)

    def _attended(self, x: Any, mask: Any, cache: Any, position: Any) -> tuple[Any, Any]:
        """Attention to itself, and the cache where there is one."""
        h = self.attention_norm(x) if self._pre_norm else x
        h = self.attention(h, None, None, mask, cache, position)
        h, cache = h if cache is not None else (h, None)
        x = x + self.dropout(h)
        return (x if self._pre_norm else self.attention_norm(x)), cache

    def _fed(self, x: Any) -> Any:
        if self._pre_norm:
            return x + self.dropout(self.ffn(self.ffn_norm(x)))
        return self.ffn_norm(x + self.dropout(self.ffn(x)))

    def begin_cache(self, batch_size: int, length: int, like: Any = None) -> list[Any]:
        """See :meth:`MultiHeadAttention.begin_cache`."""
        return self.attention.begin_cache(batch_size, length, like)


class TransformerEncoderLayer(_TransformerLayer):
    """Attention of (batch, length, units) to itself, then a feed-forward network (Vaswani et al., arXiv 1706.03762).

    ``pre_norm``: each part works on its normed input and is added to the input itself; otherwise the sum is normed.
    ``norm``: ``layer`` or ``rms``. ``activation``: of the feed-forward network of ``hidden_units``, or ``swiglu``. ``dropout``
    is of what each part adds. With ``causal``, ``rotary``, ``norm="rms"``, ``activation="swiglu"`` and ``pre_norm`` it is
    a layer of today's language models. With ``group`` its ranks divide heads and hidden units, and have all of input and output
    (:mod:`hybridnet.gluon.nn.parallel`). ``num_kv_heads``, ``causal``, ``rotary``, and the inputs ``mask``, ``cache`` and ``position``: see
    :class:`MultiHeadAttention`. With a cache the result is (outputs, cache).
    """

    def hybrid_forward(self, F: Any, x: Any, mask: Any = None, cache: Any = None, position: Any = None) -> Any:
        x, cache = self._attended(x, mask, cache, position)
        return self._fed(x) if cache is None else (self._fed(x), cache)


class TransformerDecoderLayer(_TransformerLayer):
    """Causal attention to itself, attention to an encoder's outputs ``memory`` (batch, keys, units), a feed-forward network.

    Arguments are those of :class:`TransformerEncoderLayer`; ``memory_mask`` is the mask of the attention to the memory.
    """

    def __init__(self, units: int, num_heads: int, hidden_units: int, **kwargs: Any) -> None:
        super().__init__(units, num_heads, hidden_units, **{"causal": True, **kwargs})

    def _more_parts(self, units: int, num_heads: int, num_kv_heads: int | None) -> None:
        self.memory_attention = MultiHeadAttention(units, num_heads, num_kv_heads, prefix="memory_attention_", **self._given)
        self.memory_norm = self._normed("memory_norm_")

    def hybrid_forward(
        self, F: Any, x: Any, memory: Any, mask: Any = None, memory_mask: Any = None, cache: Any = None, position: Any = None
    ) -> Any:
        x, cache = self._attended(x, mask, cache, position)
        h = self.memory_attention(self.memory_norm(x) if self._pre_norm else x, memory, None, memory_mask)
        x = x + self.dropout(h)
        x = self._fed(x if self._pre_norm else self.memory_norm(x))
        return x if cache is None else (x, cache)
