"""Attention and the layers that are built on it (Vaswani et al. 2017), with PyTorch's names of parameters."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from pyautograd._arguments import named
from pyautograd._creation import empty, full
from pyautograd._rearrange import triu
from pyautograd._tensor import Parameter, Tensor
from pyautograd.nn import functional as F
from pyautograd.nn import init
from pyautograd.nn._container import ModuleList
from pyautograd.nn._dropout import Dropout
from pyautograd.nn._linear import Linear
from pyautograd.nn._module import Module
from pyautograd.nn._norm import LayerNorm
from pyautograd.nn.functional import _attention_weights

__all__ = [
    "MultiheadAttention", "Transformer", "TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder",
    "TransformerEncoderLayer",
]  # fmt: skip

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "gelu": F.gelu}

_MAX_LAYERS = 10_000  # beyond them a number was meant for something else, and copying has no end


class MultiheadAttention(Module):
    """softmax(q k^T / sqrt(d)) v of `num_heads` heads of d = embed_dim / num_heads features each, and a linear layer.

    Takes query (L, N, embed_dim), key (S, N, kdim) and value (S, N, vdim), with `batch_first` (N, L, embed_dim) and so
    on, or all without N; returns the output, of the query's shape, and the weights, averaged over the heads: (N, L, S),
    or None. `attn_mask`: (L, S) or (N * num_heads, L, S), `key_padding_mask`: (N, S): True where nobody may look, or
    floats that are added. **Raises** ValueError for sizes that do not fit, NotImplementedError for `add_bias_kv` and
    `add_zero_attn`.

    >>> import pyautograd as pa
    >>> x = pa.zeros(5, 3, 8)
    >>> output, weights = pa.nn.MultiheadAttention(8, 2)(x, x, x)
    >>> output.shape, weights.shape
    ((5, 3, 8), (3, 5, 5))
    """

    in_proj_weight: Parameter | None
    in_proj_bias: Parameter | None

    @named
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if add_bias_kv or add_zero_attn:
            raise NotImplementedError("MultiheadAttention: add_bias_kv and add_zero_attn; write them with cat")
        if embed_dim < 1 or num_heads < 1 or embed_dim % num_heads:
            raise ValueError(f"MultiheadAttention: {embed_dim} features are not {num_heads} heads of one size")
        self.embed_dim, self.num_heads, self.dropout, self.batch_first = embed_dim, num_heads, dropout, batch_first
        self.head_dim = embed_dim // num_heads
        self.kdim, self.vdim = embed_dim if kdim is None else kdim, embed_dim if vdim is None else vdim
        options = {"device": device, "dtype": dtype}
        names = ("q_proj_weight", "k_proj_weight", "v_proj_weight")
        self._same = self.kdim == self.vdim == embed_dim
        for name, size in zip(names, (embed_dim, self.kdim, self.vdim), strict=True):
            self.register_parameter(name, None if self._same else Parameter(empty(embed_dim, size, **options)))
        joint = Parameter(empty(3 * embed_dim, embed_dim, **options)) if self._same else None
        self.register_parameter("in_proj_weight", joint)
        self.register_parameter("in_proj_bias", Parameter(empty(3 * embed_dim, **options)) if bias else None)
        self.out_proj = Linear(embed_dim, embed_dim, bias=bias, **options)
        for weight in self._weights():
            init.xavier_uniform_(weight)
        for each in (self.in_proj_bias, self.out_proj.bias):
            if each is not None:
                init.zeros_(each)

    def _weights(self) -> list[Tensor]:
        if self.in_proj_weight is not None:
            return [self.in_proj_weight]
        held: list[Any] = [getattr(self, f"{name}_proj_weight") for name in "qkv"]
        return held

    @named
    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        batched = query.ndim == 3
        if is_causal and attn_mask is None:
            raise RuntimeError("MultiheadAttention: is_causal is a hint about attn_mask, which has to be given too")
        given = [each if batched else each.unsqueeze(0) for each in (query, key, value)]
        if batched and not self.batch_first:
            given = [each.transpose(0, 1) for each in given]
        sizes = tuple(each.shape[-1] for each in given)
        if {each.ndim for each in given} != {3} or sizes != (self.embed_dim, self.kdim, self.vdim):
            raise ValueError(
                f"MultiheadAttention: query, key and value of {self.embed_dim}, {self.kdim} and {self.vdim} features "
                f"are wanted, got shapes {query.shape}, {key.shape} and {value.shape}"
            )
        weights = self._weights()[0].chunk(3) if self._same else self._weights()
        biases = (None,) * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        q, k, v = (
            F.linear(each, w, b).unflatten(-1, (self.num_heads, self.head_dim)).transpose(1, 2)
            for each, w, b in zip(given, weights, biases, strict=True)
        )
        n, heads, length, _ = q.shape
        mask = _added("attn_mask", attn_mask, q)
        if mask is not None and mask.ndim == 3:
            mask = mask.reshape(n, heads, length, -1)
        padding = _added("key_padding_mask", key_padding_mask, q)
        if padding is not None:
            padding = padding.reshape(n, 1, 1, -1)
            mask = padding if mask is None else mask + padding
        p = self.dropout if self.training else 0.0
        if need_weights:
            looks = _attention_weights(q, k, mask)
            attended = (F.dropout(looks, p) if p else looks) @ v
        else:
            attended = F.scaled_dot_product_attention(q, k, v, mask, p)
        output = self.out_proj(attended.transpose(1, 2).flatten(2))
        if need_weights and average_attn_weights:
            looks = looks.mean(1)
        if not batched:
            return output.squeeze(0), looks.squeeze(0) if need_weights else None
        return output if self.batch_first else output.transpose(0, 1), looks if need_weights else None


def _added(name: str, mask: Tensor | None, like: Tensor) -> Tensor | None:
    """A mask as numbers to be added to the scores: -inf where it is True."""
    if mask is None or mask.dtype.is_floating_point:
        return mask
    if mask.dtype.name != "bool":
        raise TypeError(f"MultiheadAttention: {name} must be bools or floats, not {mask.dtype.name}")
    return full(mask.shape, 0.0, dtype=like.dtype).masked_fill(mask, -float("inf"))


class _TransformerLayer(Module):
    """What encoder and decoder layers share: attention to oneself and the net of two linear layers."""

    @named
    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Tensor], Tensor] = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if isinstance(activation, str) and activation not in _ACTIVATIONS:
            raise ValueError(f"{name}: activation must be 'relu', 'gelu' or a function, got {activation!r}")
        options = {"device": device, "dtype": dtype}
        attention = {"dropout": dropout, "bias": bias, "batch_first": batch_first, **options}
        self.self_attn = MultiheadAttention(d_model, nhead, **attention)
        if isinstance(self, TransformerDecoderLayer):
            self.multihead_attn = MultiheadAttention(d_model, nhead, **attention)
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, **options)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, **options)
        self.norm_first = norm_first
        numbers = (1, 2, 3) if isinstance(self, TransformerDecoderLayer) else (1, 2)
        for number in numbers:
            setattr(self, f"norm{number}", LayerNorm(d_model, layer_norm_eps, bias=bias, **options))
        for number in numbers:
            setattr(self, f"dropout{number}", Dropout(dropout))
        self.activation = _ACTIVATIONS[activation] if isinstance(activation, str) else activation

    def _feed(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))

    def _through(self, x: Tensor, parts: list[Callable[[Tensor], Tensor]]) -> Tensor:
        """Each part added to what goes into it, and normalised, before it or after."""
        for number, part in enumerate(parts, 1):
            norm, dropout = getattr(self, f"norm{number}"), getattr(self, f"dropout{number}")
            x = x + dropout(part(norm(x))) if self.norm_first else norm(x + dropout(part(x)))
        return x


class TransformerEncoderLayer(_TransformerLayer):
    """Attention to oneself, then two linear layers, each with dropout, added to its input and normalised.

    Takes (L, N, d_model), with `batch_first` (N, L, d_model), or (L, d_model) to the same; masks as
    `MultiheadAttention` has them. `norm_first`: normalise before instead of after. **Raises** as `MultiheadAttention`,
    and ValueError for an unknown `activation`.

    >>> import pyautograd as pa
    >>> pa.nn.TransformerEncoderLayer(8, 2, 16)(pa.zeros(5, 3, 8)).shape
    (5, 3, 8)
    """

    @named
    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        def attend(x: Tensor) -> Tensor:
            return self.self_attn(x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal)[0]

        return self._through(src, [attend, self._feed])


class TransformerDecoderLayer(_TransformerLayer):
    """Attention to oneself, to the encoder's output `memory`, then two linear layers, as in `TransformerEncoderLayer`.

    Arguments and what it **raises** are as there.

    >>> import pyautograd as pa
    >>> pa.nn.TransformerDecoderLayer(8, 2, 16)(pa.zeros(5, 3, 8), pa.zeros(7, 3, 8)).shape
    (5, 3, 8)
    """

    @named
    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        def attend(x: Tensor) -> Tensor:
            return self.self_attn(x, x, x, tgt_key_padding_mask, False, tgt_mask, is_causal=tgt_is_causal)[0]

        def look(x: Tensor) -> Tensor:
            return self.multihead_attn(
                x, memory, memory, memory_key_padding_mask, False, memory_mask, is_causal=memory_is_causal
            )[0]

        return self._through(tgt, [attend, look, self._feed])


class _Stack(Module):
    """Copies of a layer, one behind the other, and a norm."""

    def __init__(self, layer: Module, num_layers: int, norm: Module | None) -> None:
        super().__init__()
        if not 0 <= num_layers <= _MAX_LAYERS:
            raise ValueError(f"{type(self).__name__}: num_layers must be from 0 to {_MAX_LAYERS}, got {num_layers}")
        self.layers = ModuleList([copy.deepcopy(layer) for _ in range(num_layers)])
        self.num_layers = num_layers
        self.norm = norm

    def _run(self, x: Tensor, *args: Any, **keywords: Any) -> Tensor:
        for layer in self.layers:
            x = layer(x, *args, **keywords)
        return x if self.norm is None else self.norm(x)


class TransformerEncoder(_Stack):
    """`num_layers` copies of an encoder layer, and a norm behind them. **Raises** as the layer.

    >>> import pyautograd as pa
    >>> encoder = pa.nn.TransformerEncoder(pa.nn.TransformerEncoderLayer(8, 2, 16), 2)
    >>> encoder(pa.zeros(5, 3, 8)).shape
    (5, 3, 8)
    """

    @named
    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__(encoder_layer, num_layers, norm)

    @named
    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        return self._run(src, mask, src_key_padding_mask, bool(is_causal))


class TransformerDecoder(_Stack):
    """`num_layers` copies of a decoder layer, and a norm behind them. **Raises** as the layer.

    >>> import pyautograd as pa
    >>> decoder = pa.nn.TransformerDecoder(pa.nn.TransformerDecoderLayer(8, 2, 16), 2)
    >>> decoder(pa.zeros(5, 3, 8), pa.zeros(7, 3, 8)).shape
    (5, 3, 8)
    """

    @named
    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__(decoder_layer, num_layers, norm)

    @named
    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        return self._run(
            tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask, bool(tgt_is_causal),
            memory_is_causal,
        )  # fmt: skip


class Transformer(Module):
    """An encoder and a decoder that looks at its output (Vaswani et al. 2017).

    Takes `src` (S, N, d_model) and `tgt` (T, N, d_model), with `batch_first` the rows first, to (T, N, d_model); masks
    as `MultiheadAttention` has them. **Raises** as the layers, NotImplementedError for encoders and decoders of one's
    own.

    >>> import pyautograd as pa
    >>> net = pa.nn.Transformer(8, 2, 1, 1, 16)
    >>> net(pa.zeros(7, 3, 8), pa.zeros(5, 3, 8)).shape
    (5, 3, 8)
    """

    @named
    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Tensor], Tensor] = "relu",
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if custom_encoder is not None or custom_decoder is not None:
            raise NotImplementedError("Transformer: custom_encoder and custom_decoder; call them one after the other")
        options = {"device": device, "dtype": dtype}
        layer = (
            d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias, device,
            dtype,
        )  # fmt: skip
        norms = [LayerNorm(d_model, layer_norm_eps, bias=bias, **options) for _ in range(2)]
        self.encoder = TransformerEncoder(TransformerEncoderLayer(*layer), num_encoder_layers, norms[0])
        self.decoder = TransformerDecoder(TransformerDecoderLayer(*layer), num_decoder_layers, norms[1])
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter)

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
        """(sz, sz): -inf above the diagonal, where nobody may look, else 0. **Raises** as `full`.

        >>> import pyautograd as pa
        >>> pa.nn.Transformer.generate_square_subsequent_mask(2)
        tensor([[0., -inf],
                [0., 0.]])
        """
        return triu(full((sz, sz), -float("inf"), dtype=dtype, device=device), 1)

    @named
    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        return self.decoder(
            tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask, tgt_is_causal,
            memory_is_causal,
        )  # fmt: skip
