"""Join the parts of a job's weights into a model folder that the commands open."""

import argparse
import tarfile
from pathlib import Path

from safetensors.torch import load_file, save_file


def main() -> None:
    """Join `NAME-*.safetensors`, and unpack config and card beside them."""
    parser = argparse.ArgumentParser(prog="gpu_kit.sh join", description=__doc__)
    parser.add_argument("out", type=Path, help="what `run` wrote")
    parser.add_argument("model", type=Path, help="folder to write")
    parser.add_argument("--name", required=True, help="of the job's part, such as base-start-0")
    options = parser.parse_args()
    tensors = {}
    for part in sorted(options.out.glob(f"{options.name}-*.safetensors")):
        tensors |= load_file(part)
    if not tensors:
        raise SystemExit(f"gpu_kit: expected {options.name}-*.safetensors in {options.out}")
    options.model.mkdir(parents=True, exist_ok=True)
    save_file(tensors, options.model / "model.safetensors")
    with tarfile.open(options.out / f"{options.name}-run.tar.gz") as archive:
        archive.extractall(options.model, filter="data")
    print(f"{len(tensors)} tensors in {options.model}")


if __name__ == "__main__":
    main()
