"""What we use of CompressAI, imported in silence."""

import warnings

with warnings.catch_warnings():
    # CompressAI imports torch_geometric, which warns of its own use of TorchScript.
    warnings.simplefilter("ignore", FutureWarning)
    from compressai.entropy_models import EntropyBottleneck
    from compressai.ops.bound_ops import LowerBoundFunction

__all__ = ["EntropyBottleneck", "LowerBoundFunction"]
