"""Measure the linear link on centre crops of a folder of images.

python linear_link.py --photos FOLDER --test FOLDER [--snr-db 10] [--crop 256] [--reals 32 64 128]
"""

import argparse
from pathlib import Path
from statistics import mean

import torch

from lrisc_system.baselines import fit_linear_link
from lrisc_system.images import load_image
from lrisc_system.metrics import evaluate_pair

SUFFIXES = {".png", ".jpg", ".jpeg"}


def main() -> None:
    """Fit on photos, transmit the test images, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="folder to fit on")
    parser.add_argument("--test", type=Path, required=True, help="folder to measure on")
    parser.add_argument("--snr-db", type=float, default=10.0)
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--reals", type=int, nargs="+", default=[32, 64, 128])
    options = parser.parse_args()
    snr_db = torch.tensor([options.snr_db])
    print("| reals per token | CBR | PSNR | MS-SSIM | LPIPS-alex |\n|---|---|---|---|---|")
    for reals in options.reals:
        photos = (load_image(path) for path in images_of(options.photos))
        link = fit_linear_link(
            photos, reals_per_token=reals, generator=torch.Generator().manual_seed(0)
        )
        rows = []
        for number, path in enumerate(images_of(options.test)):
            image = centre_crop(load_image(path), options.crop)
            noise = torch.Generator().manual_seed(number)
            received = link.transmit(image, snr_db, generator=noise)
            figures = evaluate_pair(image, received)
            size = (image.shape[-2], image.shape[-1])
            cbr = link.cbr(size, snr_db=options.snr_db)
            rows.append((cbr, figures.psnr, figures.ms_ssim, figures.lpips))
        cbr, psnr, ms_ssim, lpips = (mean(column) for column in zip(*rows, strict=True))
        print(f"| {reals} | {cbr:.5f} | {psnr:.2f} | {ms_ssim:.4f} | {lpips:.3f} |")


def images_of(folder: Path) -> list[Path]:
    """The folder's images by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def centre_crop(image: torch.Tensor, size: int) -> torch.Tensor:
    """The middle `size` x `size` of (1, 3, H, W), or all of a smaller side."""
    top, left = (max(0, side - size) // 2 for side in image.shape[-2:])
    return image[..., top : top + size, left : left + size]


if __name__ == "__main__":
    main()
