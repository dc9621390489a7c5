"""Compare time and peak memory of the rate heads with one gathered weight matrix per token.

Run: python benchmarks/rate_heads.py [--images 16] [--tokens 256] [--width 256]

Each variant runs forward and backward in a separate process, so the peak of the resident memory is
its own. Both start from the same weights and must give the same numbers.
"""

import argparse
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from jscc_ratetoken import RateHeads

REPEATS = 7
LEVELS = tuple(range(16, 257, 16))  # the rates of the most similar public work
BYTES_PER_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


class GatheredHeads(nn.Module):
    """The straightforward heads: one stacked weight, indexed by the rate of each token, masked."""

    def __init__(self, width: int, levels: tuple[int, ...]) -> None:
        super().__init__()
        weight = torch.zeros(len(levels), width, levels[-1])
        for rate, level in enumerate(levels):
            weight[rate, :, :level] = torch.eye(width, level)
        self.weight = nn.Parameter(weight)
        self.register_buffer("used", torch.arange(levels[-1]) < torch.tensor(levels)[:, None])

    def forward(self, tokens: Tensor, rate_index: Tensor) -> Tensor:
        """Map (B, N, C) to (B, N, v_max)."""
        weight = self.weight[rate_index]  # (B, N, C, v_max): the heavy part
        return torch.einsum("bnc,bncv->bnv", tokens, weight) * self.used[rate_index]


def measure(
    make: Callable[[int, tuple[int, ...]], nn.Module],
    images: int,
    tokens: int,
    width: int,
    levels: tuple[int, ...] = LEVELS,
) -> tuple[float, int, float]:
    """Return the median seconds of a forward and backward pass, its peak bytes and a checksum."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(images, tokens, width, generator=generator, requires_grad=True)
    rate_index = torch.randint(len(levels), (images, tokens), generator=generator)
    heads = make(width, levels)
    heads(features[:1, :1], rate_index[:1, :1]).sum().backward()  # load the libraries first
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        stream = heads(features, rate_index)
        stream.square().mean().backward()
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return statistics.median(seconds), peak * BYTES_PER_RSS_UNIT, float(stream.detach().sum())


def main() -> None:
    """Print both variants side by side, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("images", 16), ("tokens", 256), ("width", 256)):
        parser.add_argument(f"--{name}", type=int, default=default)
    sizes = parser.parse_args()
    arguments = (sizes.images, sizes.tokens, sizes.width)
    spawn = multiprocessing.get_context("spawn")
    results = []
    for make in (GatheredHeads, RateHeads):
        with spawn.Pool(1, initializer=torch.set_num_threads, initargs=(1,)) as process:
            seconds, peak, checksum = process.apply(measure, (make, *arguments))
        results.append((seconds, peak))
        name, mebibytes = make.__name__, peak / 2**20
        print(f"{name:14} {1e3 * seconds:8.1f} ms {mebibytes:8.1f} MiB  checksum {checksum:.3f}")
    (slow, large), (fast, small) = results
    print(f"grouped heads: {slow / fast:.1f} times faster, {small / large:.3f} of the memory")


if __name__ == "__main__":
    main()
