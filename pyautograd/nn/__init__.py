"""Neural networks on Tensors, with the names and meaning of `torch.nn`.

>>> import pyautograd as pa
>>> model = pa.nn.Sequential(pa.nn.Linear(2, 16), pa.nn.ReLU(), pa.nn.Linear(16, 1))
>>> loss = pa.nn.functional.mse_loss(model(pa.zeros(4, 2)), pa.zeros(4, 1))
>>> loss.backward()
>>> all(p.grad is not None for p in model.parameters())
True
"""

from pyautograd._tensor import Parameter
from pyautograd.nn import _generated_modules, functional, init, utils
from pyautograd.nn._activation import GELU, LogSigmoid, LogSoftmax, Softmax, Softplus
from pyautograd.nn._container import ModuleDict, ModuleList, Sequential
from pyautograd.nn._dropout import Dropout
from pyautograd.nn._embedding import Embedding
from pyautograd.nn._generated_modules import *
from pyautograd.nn._linear import Flatten, Identity, Linear
from pyautograd.nn._loss import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    HingeLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
    SmoothL1Loss,
)
from pyautograd.nn._mlp import MLP
from pyautograd.nn._module import Module
from pyautograd.nn._norm import BatchNorm1d, LayerNorm

__all__ = [
    "GELU",
    "MLP",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "CrossEntropyLoss",
    "Dropout",
    "Embedding",
    "Flatten",
    "HingeLoss",
    "HuberLoss",
    "Identity",
    "KLDivLoss",
    "L1Loss",
    "LayerNorm",
    "Linear",
    "LogSigmoid",
    "LogSoftmax",
    "MSELoss",
    "Module",
    "ModuleDict",
    "ModuleList",
    "NLLLoss",
    "Parameter",
    "Sequential",
    "SmoothL1Loss",
    "Softmax",
    "Softplus",
    "functional",
    "init",
    "utils",
]
__all__ += _generated_modules.__all__
