"""Networks: torch modules, and the architectures that tie them to features and norms."""

from relu_forecast.networks.architectures import (
    Architecture,
    Circular,
    Convolution,
    Dense,
    WholeBlocks,
)
from relu_forecast.networks.modules import (
    CircularReLUNetwork,
    ConvReLUNetwork,
    ReLUNetwork,
)
from relu_forecast.networks.two_layer import SkipWeights, TwoLayerNetwork

__all__ = [
    "Architecture",
    "Circular",
    "CircularReLUNetwork",
    "ConvReLUNetwork",
    "Convolution",
    "Dense",
    "ReLUNetwork",
    "SkipWeights",
    "TwoLayerNetwork",
    "WholeBlocks",
]
