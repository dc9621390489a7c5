"""Read the adapters of a public SwinJSCC checkpoint.

The public model class builds more adapters than a variant uses. Most variants therefore have the
same keys, and an adapter that a variant never ran is in its file with untrained weights:

    network in the file       w/o SAandRA   w/ SA        w/ RA        w/ SAandRA
    encoder.sm_list, bm_list  never ran     SNR gate     rate gate    rate gate, runs second
    encoder.sm_list1, bm_..1  absent (*)    absent (*)   absent (*)   SNR gate, runs first
    decoder.sm_list, bm_list  never ran     SNR gate     never ran    SNR gate

(*) present and never trained in files of the repository's first months. ``encoder.head_list``
does not identify the variant either: the CIFAR-10 configuration builds it for all four. The
variant is therefore found by a test of which networks were trained.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from os import PathLike

import torch
from torch import Tensor

from snr_modulation.adapter import LAYER_COUNT, SNRAdapter

MARKER = "encoder.sm_list.0.weight"
ADAPTER = "m_list"  # in the keys of sm_list, bm_list and their seconds


class SwinJSCCVariant(Enum):
    """The four public models, with the names that SwinJSCC uses."""

    WITHOUT_SA_AND_RA = "SwinJSCC_w/o_SAandRA"
    SA = "SwinJSCC_w/_SA"
    RA = "SwinJSCC_w/_RA"
    SA_AND_RA = "SwinJSCC_w/_SAandRA"


@dataclass(frozen=True)
class SwinJSCCAdapters:
    """The adapters of a checkpoint; None if its variant runs no such network.

    Attributes:
        variant: the model that the checkpoint belongs to.
        encoder_snr: the SNR gate after the encoder's last layer.
        decoder_snr: the SNR gate before the decoder's first layer.
        encoder_rate: the rate gate after the encoder, and after ``encoder_snr`` if there is
            one. It is called with the number of channels to send instead of dB, and the channels
            with the largest ``gate(...).sum(dim=1)`` are sent.
    """

    variant: SwinJSCCVariant
    encoder_snr: SNRAdapter | None
    decoder_snr: SNRAdapter | None
    encoder_rate: SNRAdapter | None


# (encoder_snr, decoder_snr, encoder_rate): patterns of the keys that each variant runs.
NETWORKS: dict[SwinJSCCVariant, tuple[str | None, str | None, str | None]] = {
    SwinJSCCVariant.WITHOUT_SA_AND_RA: (None, None, None),
    SwinJSCCVariant.SA: ("encoder.{}_list", "decoder.{}_list", None),
    SwinJSCCVariant.RA: (None, None, "encoder.{}_list"),
    SwinJSCCVariant.SA_AND_RA: ("encoder.{}_list1", "decoder.{}_list", "encoder.{}_list"),
}


def load_swinjscc(
    path: str | PathLike[str], *, variant: SwinJSCCVariant | None = None
) -> SwinJSCCAdapters:
    """Read the adapters of a SwinJSCC checkpoint, on the CPU and in evaluation mode.

    The file is a pickle: it is read with ``weights_only=True``, so it cannot run code.

    Args:
        path: a state dict saved by SwinJSCC; keys may have a prefix such as ``module.``.
        variant: the model it belongs to; by default found by which networks were trained.

    Returns:
        The adapters that this variant runs; they compute what the original computes.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not a state dict, or the keys of the adapters of ``variant``
            are missing.
    """
    state = read_state(path)
    if variant is None:
        variant = find_variant(state)
    encoder_snr, decoder_snr, encoder_rate = (
        None if name is None else build_adapter(state, name=name) for name in NETWORKS[variant]
    )
    return SwinJSCCAdapters(
        variant=variant,
        encoder_snr=encoder_snr,
        decoder_snr=decoder_snr,
        encoder_rate=encoder_rate,
    )


def read_state(path: str | PathLike[str]) -> dict[str, Tensor]:
    """Read the state dict of a checkpoint and remove the common prefix of its keys.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not a state dict, or not SwinJSCC's.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:  # damaged archives and pickles raise errors of any type
        reason = str(error).partition("\n")[0]
        raise ValueError(f"expected a file of plain tensors, got {path}: {reason}") from error
    keys = state.keys() if isinstance(state, Mapping) else []
    names = (key for key in keys if isinstance(key, str) and key.endswith(MARKER))
    prefix = next((name.removesuffix(MARKER) for name in names), None)
    if prefix is None:
        raise ValueError(f"expected a SwinJSCC state dict with key {MARKER}, got none in {path}")
    adapters = {
        key.removeprefix(prefix): value
        for key, value in state.items()
        if isinstance(key, str) and key.startswith(prefix)
    }
    for key, value in adapters.items():
        if ADAPTER in key and not (
            isinstance(value, Tensor) and value.is_floating_point() and value.isfinite().all()
        ):
            raise ValueError(f"expected finite floats in {key}, got something else in {path}")
    return adapters


def find_variant(state: Mapping[str, Tensor]) -> SwinJSCCVariant:
    """Find the variant by which networks were trained.

    Args:
        state: the state dict, keys without prefix.

    Raises:
        ValueError: if no variant has these trained networks.
    """
    trained = frozenset(
        name
        for name in ("encoder.{}_list", "encoder.{}_list1", "decoder.{}_list")
        if was_trained(state, name=name)
    )
    for variant, names in NETWORKS.items():
        if trained == frozenset(name for name in names if name is not None):
            return variant
    found = sorted(name.format("sm") for name in trained)
    raise ValueError(f"expected the trained networks of a SwinJSCC variant, got {found}")


def was_trained(state: Mapping[str, Tensor], *, name: str) -> bool:
    """Return whether weights have left the range from which PyTorch initialises a linear layer.

    Weights and biases start within +-1 / sqrt(fan_in). A network that never ran gets no gradient
    and stays in this range. A trained network leaves it at once: of the half million weights of
    a layer, thousands start within one step of its edge.
    """
    for key, weight in state.items():
        layer = key.removesuffix(".weight")
        if layer == key or not key.startswith((name.format("sm") + ".", name.format("bm") + ".")):
            continue
        if weight.ndim != 2 or not weight.numel():
            raise ValueError(f"expected a matrix in {key}, got {tuple(weight.shape)}")
        largest = weight.abs().max()
        if f"{layer}.bias" in state:
            largest = torch.maximum(largest, state[f"{layer}.bias"].abs().max())
        if largest > 1.01 / weight.shape[1] ** 0.5:  # 1%: the rounding of half precision
            return True
    return False


def build_adapter(state: Mapping[str, Tensor], *, name: str) -> SNRAdapter:
    """Build one adapter from its keys; its first layer gives the widths.

    Args:
        state: the state dict, keys without prefix.
        name: pattern of the keys of the network's two lists, such as ``"encoder.{}_list1"``.

    Raises:
        ValueError: if a key is missing or a shape is not the adapter's.
    """
    own = {f"layers.{i}.": f"{name.format('sm')}.{i}." for i in range(LAYER_COUNT)}
    own |= {f"modulations.{i}.": f"{name.format('bm')}.{i}." for i in range(LAYER_COUNT - 1)}
    weights = {
        ours + key.removeprefix(theirs): value.float()
        for ours, theirs in own.items()
        for key, value in state.items()
        if key.startswith(theirs)
    }
    if getattr(weights.get("layers.0.weight"), "ndim", 0) != 2:
        raise ValueError(f"expected keys {name.format('sm')}.0 to .{LAYER_COUNT - 1}, got none")
    hidden, width = weights["layers.0.weight"].shape
    adapter = SNRAdapter(width, hidden=hidden)
    try:
        adapter.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"expected a whole adapter at {name.format('sm')}: {reason}") from error
    return adapter.eval()
