"""Pack photos, masks and weights into a folder small enough to travel to a bare machine."""

import argparse
import io
import shutil
import tarfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from eight_bits import from_eight_bits, to_eight_bits
from PIL import Image
from safetensors.torch import load_file, save_file

SHARD_BYTES = 28 * 10**6
KIT_BYTES = 52 * 2**20  # and the source, 8 MiB without the weights that ship
SHORTER_SIDE = 288
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def webp(path: Path, *, mode: str, quality: int, longest: int | None = None) -> bytes:
    """Encode a picture as WebP, its shorter side scaled down to `longest` if it is more."""
    picture = Image.open(path).convert(mode)
    shorter = min(picture.size)
    if longest is not None and shorter > longest:
        size = [round(side * longest / shorter) for side in picture.size]
        picture = picture.resize((size[0], size[1]), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=quality, method=6)
    return buffer.getvalue()


def find_mask(photo: Path, folders: Iterable[Path]) -> Path:
    """Find the mask `stem.png` of a photo in one of the folders."""
    for folder in folders:
        if (folder / f"{photo.stem}.png").is_file():
            return folder / f"{photo.stem}.png"
    raise SystemExit(f"gpu_kit: expected a mask for every photo, got none for {photo}")


def members(photos: list[Path], masks: list[Path], quality: int) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of every photo and of its mask."""

    def encode(pair: tuple[Path, Path]) -> tuple[bytes, bytes]:
        return (
            webp(pair[0], mode="RGB", quality=quality, longest=SHORTER_SIDE),
            webp(pair[1], mode="L", quality=50),
        )

    with ThreadPoolExecutor(2) as pool:
        for photo, (image, mask) in zip(
            photos, pool.map(encode, zip(photos, masks, strict=True)), strict=True
        ):
            yield f"photos/{photo.stem}.webp", image
            yield f"masks/{photo.stem}.webp", mask


def write_shards(found: Iterable[tuple[str, bytes]], kit: Path) -> None:
    """Write tar shards of at most `SHARD_BYTES`."""
    number, size, shard = 0, SHARD_BYTES, None
    for name, data in found:
        if size + len(data) + 1024 > SHARD_BYTES - 10240:
            if shard is not None:
                shard.close()
            shard = tarfile.open(kit / f"data-{number}.tar", "w")  # noqa: SIM115
            number, size = number + 1, 0
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        shard.addfile(entry, io.BytesIO(data))
        size += 512 + -(-len(data) // 512) * 512
    if shard is not None:
        shard.close()


def main() -> None:
    """Pack, then say how large the kit is."""
    parser = argparse.ArgumentParser(prog="gpu_kit.sh pack", description=__doc__)
    parser.add_argument("kit", type=Path)
    parser.add_argument("--photos", type=Path, nargs="+", required=True, help="folders of photos")
    parser.add_argument("--masks", type=Path, nargs="+", required=True, help="folders of masks")
    parser.add_argument("--weights", type=Path, help="model to go on from, with its config.json")
    parser.add_argument("--quality", type=int, default=70, help="of WebP, 0 to 100")
    options = parser.parse_args()
    photos = sorted(
        path
        for folder in options.photos
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES
    )
    masks = [find_mask(photo, options.masks) for photo in photos]
    for old in options.kit.glob("data-*.tar"):
        old.unlink()
    write_shards(members(photos, masks, options.quality), options.kit)
    if options.weights is not None:
        model = options.kit / "model"
        model.mkdir(exist_ok=True)
        shutil.copyfile(options.weights / "config.json", model / "config.json")
        weights = to_eight_bits(from_eight_bits(load_file(options.weights / "model.safetensors")))
        save_file(weights, model / "model.safetensors")
    size = sum(path.stat().st_size for path in options.kit.rglob("*") if path.is_file())
    print(f"{len(photos)} photos, {size / 2**20:.1f} MiB in {options.kit}")
    if size > KIT_BYTES:
        raise SystemExit(f"gpu_kit: over {KIT_BYTES / 2**20:.0f} MiB: choose a lower --quality")


if __name__ == "__main__":
    main()
