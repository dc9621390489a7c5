import pytest
import torch

torch.set_num_threads(1)  # the tensors are so small that threads only wait for each other


@pytest.fixture
def awaken():
    """Give a U-Net's zero head some weights, so that its branch takes part."""

    def run(unet, *, deviation=0.05):
        generator = torch.Generator().manual_seed(7)
        with torch.no_grad():
            unet.head.weight.normal_(std=deviation, generator=generator)

    return run
