"""Run the kinds of foreign input: `python -m torture.inputs [--share 0.1]`, from `scripts/`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from torture import images, models, packets, shards
from torture.outcome import Tally


def torture_inputs(share: float = 1.0, *, seed: int = 0) -> list[Tally]:
    """Run a fraction of all cases of every kind, and print a line for each kind.

    Args:
        share: fraction of the cases.
        seed: of the damage.
    """
    kinds = (
        (images.torture_images, images.COUNT),
        (models.torture_models, models.COUNT),
        (shards.torture_shards, shards.COUNT),
    )
    found = [packets.torture_packets(round(share * packets.COUNT), seed=seed)]
    print(found[-1], flush=True)
    for torture, count in kinds:
        with tempfile.TemporaryDirectory() as folder:
            found.append(torture(Path(folder), round(share * count), seed=seed))
        print(found[-1], flush=True)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    failures = [
        line
        for found in torture_inputs(arguments.share, seed=arguments.seed)
        for line in found.failures
    ]
    sys.exit("\n".join(failures[:50]) if failures else 0)
