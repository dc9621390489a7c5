"""The parts of CompressAI that this package uses, imported without its warnings."""

import warnings

with warnings.catch_warnings():
    # CompressAI imports torch_geometric, which warns about its own use of TorchScript.
    warnings.simplefilter("ignore", FutureWarning)
    from compressai.entropy_models import EntropyBottleneck
    from compressai.ops.bound_ops import LowerBoundFunction

__all__ = ["EntropyBottleneck", "LowerBoundFunction"]
