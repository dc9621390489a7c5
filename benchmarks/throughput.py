"""Images per second of every preset, in training and in inference, on one device.

    python benchmarks/throughput.py --device cuda

Training is a step of the preset's last stage: Eq. (14) forward and backward, no optimiser.
Inference sends and receives one image at 10 dB with one decoding step. Every figure is the median
of several runs after two to warm up. PyTorch counts the FLOP: a multiplication and an addition are
two.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lrisc_system import LRISC, preset
from lrisc_system.data.photos import Samples
from lrisc_system.devices import describe_device
from lrisc_system.metrics.lpips import lpips_network
from lrisc_system.training.lrisc import compile_model
from lrisc_system.training.objective import TrainingObjective
from lrisc_system.training.presets import RECIPES


def median_seconds(
    run: Callable[[], object], device: torch.device, *, seconds: float, warmup: int = 2
) -> float:
    """Return the median time of a run, repeated for `seconds` and at least three times."""
    times: list[float] = []
    begun = time.monotonic()
    while len(times) < warmup + 3 or time.monotonic() - begun < seconds:
        if device.type == "cuda":
            torch.cuda.synchronize()
        start = time.monotonic()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.monotonic() - start)
    return statistics.median(times[warmup:])


def count_flop(run: Callable[[], object]) -> int:
    """Count the floating point operations of matrix products and convolutions in one run."""
    with FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())


def profile(run: Callable[[], object], device: torch.device, *, rows: int = 15) -> str:
    """List the operators that take most of one run, on the host and on the device."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities) as profiler:
        run()
        if device.type == "cuda":
            torch.cuda.synchronize()
    key = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    table = profiler.key_averages().table(sort_by=key, row_limit=rows, max_name_column_width=60)
    return str(table)


def training_step(
    system: LRISC, name: str, device: torch.device, *, batch: int, crop: int, bf16: bool
) -> Callable[[], object]:
    """Make one step forward and backward of the preset's last stage."""
    known = RECIPES[name]
    objective = TrainingObjective(
        system.train(),
        lpips_network("alex").to(device),
        stage=known.stages[-1],
        lambda_rate=known.lambda_rate,
        lambda_perceptual=known.lambda_perceptual,
        lambda_grid=known.lambda_grid,
        magnification=known.magnification,
    )
    draw = torch.Generator(device).manual_seed(0)
    samples = Samples(
        image=torch.rand(batch, 3, crop, crop, generator=draw, device=device),
        saliency=torch.rand(batch, 1, crop, crop, generator=draw, device=device),
    )

    def step() -> None:
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
            objective(samples, seed=0).total.backward()

    return step


def perturb_parameters(module: nn.Module) -> nn.Module:
    """Add noise to all parameters, because many start at zero."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(1e-3 * torch.randn_like(parameter))
    return module


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--presets", nargs="+", default=["tiny", "small", "base"])
    parser.add_argument("--batch-size", type=int, help="crops in a step; the recipe's by default")
    parser.add_argument("--bf16", action="store_true", help="train in mixed precision")
    parser.add_argument("--compile", action="store_true", help="compile the convolutions")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each figure")
    parser.add_argument("--json", type=Path, help="write images per second by preset to this file")
    parser.add_argument("--profile", action="store_true", help="list the slowest operators too")
    parser.add_argument("--size", type=int, nargs=2, default=(512, 768), help="of the image sent")
    options = parser.parse_args()
    device = options.device
    table = Table(title=describe_device(device))
    for column in ("preset", "training", "first step", "step", "images/s", "TFLOP/s", "image"):
        table.add_column(column)
    images_per_second: dict[str, float] = {}
    for name in options.presets:
        torch.manual_seed(0)
        system = LRISC(preset(name))
        perturb_parameters(system).to(device, memory_format=torch.channels_last)
        system.hyperprior.update()
        stage = RECIPES[name].stages[-1]
        batch = options.batch_size or stage.batch_size
        image = torch.rand(1, 3, *options.size, device=device)
        seconds = median_seconds(
            partial(system.eval().transmit, image, 10.0, cbr=1 / 24),
            device,
            seconds=options.seconds,
        )
        step = training_step(system, name, device, batch=batch, crop=stage.crop, bf16=options.bf16)
        flop = count_flop(step)
        if options.compile:
            compile_model(system)
        begun = time.monotonic()
        step()
        first = time.monotonic() - begun
        taken = median_seconds(step, device, seconds=options.seconds)
        images_per_second[name] = batch / taken
        if options.profile:
            print(profile(step, device))
        table.add_row(
            name,
            f"{batch} x {stage.crop}^2",
            f"{first:.1f} s",
            f"{1000 * taken:.0f} ms",
            f"{batch / taken:.1f}",
            f"{flop / taken / 1e12:.3f}",
            f"{1000 * seconds:.0f} ms",
        )
    Console(width=110).print(table)
    if options.json is not None:
        options.json.write_text(json.dumps(images_per_second) + "\n")


if __name__ == "__main__":
    main()
