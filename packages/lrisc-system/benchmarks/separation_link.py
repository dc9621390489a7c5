"""Measure the separation baseline (HEVC intra, LDPC, QAM) on centre crops of a folder of images.

python separation_link.py --test FOLDER [--snr-db 10] [--cbr 0.0208 0.0417] [--crop 256]
"""

import argparse
from pathlib import Path
from statistics import mean

from torch import Generator

from lrisc_system.baselines import HEVC_420, HEVC_444, HEVCImage, SeparationLink
from lrisc_system.data import list_images
from lrisc_system.images import load_image
from lrisc_system.metrics import evaluate_pair
from lrisc_system.validation import centre_crop


def main() -> None:
    """Transmit the test images over AWGN and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--test", type=Path, required=True, help="folder to measure on")
    parser.add_argument("--snr-db", type=float, nargs="+", default=[10.0])
    parser.add_argument("--cbr", type=float, nargs="+", default=[1 / 48, 1 / 24])
    parser.add_argument("--crop", type=int, default=256)
    options = parser.parse_args()
    images = [centre_crop(load_image(p), size=options.crop) for p in list_images(options.test)]
    link = SeparationLink()
    print("| chroma | SNR | CBR | PSNR | MS-SSIM | LPIPS-alex | delivered |")
    print("|---|---|---|---|---|---|---|")
    for name, config in (("4:2:0", HEVC_420), ("4:4:4", HEVC_444)):
        sources = [HEVCImage(image, config=config) for image in images]
        for cbr in options.cbr:
            for snr_db in options.snr_db:
                rows = []
                for number, (image, source) in enumerate(zip(images, sources, strict=True)):
                    noise = Generator().manual_seed(number)
                    reception = link.transmit(source, snr_db, cbr=cbr, generator=noise)
                    figures = evaluate_pair(image, reception.image)
                    row = (reception.cbr, figures.psnr, figures.ms_ssim, figures.lpips)
                    rows.append((*row, reception.delivered))
                used, psnr, ms_ssim, lpips, delivered = (mean(c) for c in zip(*rows, strict=True))
                print(
                    f"| {name} | {snr_db:g} | {used:.4f} | {psnr:.2f} | {ms_ssim:.4f} "
                    f"| {lpips:.3f} | {delivered:.0%} |"
                )


if __name__ == "__main__":
    main()
