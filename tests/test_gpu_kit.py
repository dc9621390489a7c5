"""The scripts that carry weights to and from a machine with a GPU."""

import runpy
from pathlib import Path

import torch

KIT = Path(__file__).parents[1] / "scripts" / "gpu_kit"
EIGHT_BITS = runpy.run_path(str(KIT / "eight_bits.py"))
to_eight_bits, from_eight_bits = EIGHT_BITS["to_eight_bits"], EIGHT_BITS["from_eight_bits"]


def test_eight_bits_by_hand():
    """The largest element of a row is 127; 1 of 2 is 63.5, which rounds to 64 (to even)."""
    matrix = torch.zeros(2, 1024)
    matrix[0, :3] = torch.tensor([2.0, -2.0, 1.0])
    matrix[1, 0] = 0.5
    stored = to_eight_bits({"w": matrix})
    assert stored["w"].dtype == torch.int8
    assert stored["w"][0, :4].tolist() == [127, -127, 64, 0]
    assert stored["w"][1, :2].tolist() == [127, 0]
    torch.testing.assert_close(stored["w.scale8"], torch.tensor([2 / 127, 0.5 / 127]))


def test_eight_bits_are_off_by_half_a_step_at_most():
    kernel = torch.randn(64, 8, 3, 3, generator=torch.Generator().manual_seed(0))
    back = from_eight_bits(to_eight_bits({"k": kernel}))["k"]
    step = kernel.abs().amax(dim=(1, 2, 3)) / 127
    assert ((back - kernel).abs().amax(dim=(1, 2, 3)) <= 0.5001 * step).all()


def test_vectors_whole_numbers_and_small_tensors_stay_as_they_are():
    tensors = {
        "bias": torch.randn(5000),
        "small": torch.randn(4, 4),
        "table": torch.arange(4096, dtype=torch.int32).view(64, 64),
    }
    stored = to_eight_bits(tensors)
    assert stored.keys() == tensors.keys()
    assert all(torch.equal(from_eight_bits(stored)[name], tensors[name]) for name in tensors)
