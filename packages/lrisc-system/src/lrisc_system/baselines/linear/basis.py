"""The transform of the linear link on disk, and the command that fits it on photos.

`python -m lrisc_system.baselines.linear.basis PHOTOS FOLDER`
"""

from pathlib import Path
from typing import Annotated

import tyro
from safetensors.torch import save
from torch import Generator
from tyro.conf import Positional, arg

from entropy_hyperprior import PatchPCA
from entropy_hyperprior.patch_pca import PATCH_SIZE
from lrisc_system.baselines.linear.link import fit_link_basis
from lrisc_system.data.images import load_image
from lrisc_system.data.photos import list_images, split_validation
from lrisc_system.storage.files import write_atomically
from lrisc_system.storage.pretrained import WEIGHTS_NAME
from lrisc_system.storage.tensors import CheckpointError, read_tensors

SHIPPED_BASIS = Path(__file__).parents[2] / "weights" / "linear"
COMPONENTS = 160  # more than CBR 0.1 takes


def save_basis(pca: PatchPCA, folder: Path) -> None:
    """Write a transform into a folder: the basis in half precision, the rest in float32."""
    tensors = {
        "mean": pca.mean.float().contiguous(),
        "basis": pca.basis.half().contiguous(),
        "variance": pca.variance.float().contiguous(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / WEIGHTS_NAME, save(tensors))


def load_basis(folder: Path = SHIPPED_BASIS) -> PatchPCA:
    """Read what `save_basis` wrote; by default the transform that ships, of 160 components.

    Raises:
        CheckpointError: if the file is missing, damaged or holds something else.
    """
    path = folder / WEIGHTS_NAME
    tensors = read_tensors(path)
    if sorted(tensors) != ["basis", "mean", "variance"]:
        raise CheckpointError(f"{path}: expected mean, basis and variance, got {sorted(tensors)}")
    mean, basis, variance = (tensors[name] for name in ("mean", "basis", "variance"))
    components = variance.numel()
    shapes = [tuple(tensor.shape) for tensor in (mean, basis, variance)]
    expected = [(PATCH_SIZE,), (PATCH_SIZE, components), (components,)]
    floats = all(tensor.is_floating_point() for tensor in (mean, basis, variance))
    if shapes != expected or not floats or not components or bool((variance < 0).any()):
        raise CheckpointError(
            f"{path}: expected floats of the shapes {expected} and variances of at least 0, "
            f"got {shapes}"
        )
    return PatchPCA(mean=mean.float(), basis=basis.float(), variance=variance.float())


def fit(
    photos: Annotated[Positional[Path], arg(metavar="PHOTOS")],
    folder: Annotated[Positional[Path], arg(metavar="FOLDER")],
    /,
    *,
    components: int = COMPONENTS,
    patches_per_image: int = 30,
    seed: int = 0,
) -> None:
    """Fit the transform on a folder of photos, without those that training holds out.

    Args:
        photos: folder of photos.
        folder: to write the transform into.
        components: of each 16 x 16 patch to keep, 1 to 768.
        patches_per_image: taken at random positions.
        seed: of the positions.
    """
    chosen, _ = split_validation(list_images(photos))
    pca = fit_link_basis(
        (load_image(path) for path in chosen),
        components=components,
        patches_per_image=patches_per_image,
        generator=Generator().manual_seed(seed),
    )
    save_basis(pca, folder)
    print(f"{components} components of {len(chosen)} photos in {folder / WEIGHTS_NAME}")


if __name__ == "__main__":
    tyro.cli(fit)
