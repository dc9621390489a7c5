import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import vgg16


@pytest.fixture(scope="session")
def vgg_file(tmp_path_factory):
    """A file of VGG16's layers with seeded random weights, for the trained ones do not ship."""
    with torch.device("meta"):
        shapes = vgg16(init_weights=False).features.state_dict()
    generator = torch.Generator().manual_seed(1)
    weights = {
        f"features.{name}": torch.randn(shape.shape, generator=generator) * (2 / fan_in) ** 0.5
        if (fan_in := shape[0].numel()) > 1
        else torch.zeros(shape.shape)
        for name, shape in shapes.items()
    }
    path = tmp_path_factory.mktemp("vgg") / "vgg.safetensors"
    save_file(weights, path)
    return path
