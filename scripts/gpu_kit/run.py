"""Run a job of `jobs.py` on the machine with the GPU; leave weights, card and log in a folder."""

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from eight_bits import from_eight_bits
from jobs import JOBS, Job
from PIL import Image
from safetensors.torch import load_file, save_file

REPOSITORY = Path(__file__).parents[2]
PART_BYTES = 16 * 10**6
EXPORT_SECONDS = 120
DATA = Path("/tmp/gpu-kit")
KERNELS = Path("/tmp/gpu-kit-kernels")  # what torch.compile makes, for the next job


def unpack(kit: Path, folder: Path) -> None:
    """Unpack photos (WebP) and masks (PNG) of all shards."""
    (folder / "photos").mkdir(parents=True)
    (folder / "masks").mkdir()

    def write(member: tuple[str, bytes]) -> None:
        name, data = member
        if name.startswith("masks/"):
            Image.open(io.BytesIO(data)).save((folder / name).with_suffix(".png"), compress_level=1)
        else:
            (folder / name).write_bytes(data)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for path in sorted(kit.glob("data-*.tar")):
            with tarfile.open(path) as shard:
                found = [(e.name, shard.extractfile(e).read()) for e in shard.getmembers()]
            list(pool.map(write, found))


def export(run: Path, out: Path, *, name: str) -> None:
    """Write a run's newest weights as float16 in parts of at most `PART_BYTES`, and its cards."""
    finished = run / "model" / "model.safetensors"
    states = sorted(run.glob("checkpoints/stage*/state.json"))
    if finished.is_file():
        tensors = load_file(finished)
    elif states:
        state = states[-1].parent
        tensors = load_file(state / "model.safetensors")
        tensors |= load_file(state / "average.safetensors")
    else:
        return
    parts, size = [{}], 0
    for key, tensor in tensors.items():
        keep = key.startswith("hyperprior.bottleneck.") or not tensor.is_floating_point()
        tensor = tensor if keep else tensor.half()
        size += tensor.nbytes
        if size > PART_BYTES - 200_000:
            parts.append({})
            size = tensor.nbytes
        parts[-1][key] = tensor.contiguous()
    for number, part in enumerate(parts):
        fresh = out / f"{name}-{number}.tmp"
        save_file(part, fresh)
        fresh.replace(out / f"{name}-{number}.safetensors")
    with tarfile.open(out / f"{name}-run.tar.gz", "w:gz") as archive:
        for path in [*run.glob("*.json*"), *run.glob("*.md"), run / "model" / "config.json"]:
            if path.is_file():
                archive.add(path, path.name)
        for path in sorted(run.glob("pictures/*.png"))[-1:]:
            archive.add(path, path.name)


def throughput(*options: str) -> dict[str, float]:
    """Measure a step of `base`: images per second."""
    file = DATA / "throughput.json"
    program = [sys.executable, str(REPOSITORY / "benchmarks" / "throughput.py")]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    program += ["--presets", "base", "--bf16", "--device", device, "--json", str(file), *options]
    subprocess.run(program, check=True)
    return json.loads(file.read_text())


def choose_batch(batches: tuple[int, ...]) -> list[str]:
    """Take the smallest batch with nine tenths of the best throughput, and a learning rate for it.

    The learning rate grows as the root of the batch, from the recipe's 6e-4 at 32.
    """
    speeds = {
        batch: throughput("--batch-size", str(batch), "--seconds", "3")["base"] for batch in batches
    }
    batch = min(batch for batch in batches if speeds[batch] >= 0.9 * max(speeds.values()))
    print(f"images per second by batch: {speeds}; chosen: {batch}")
    return ["--batch-size", str(batch), "--learning-rate", f"{6e-4 * (batch / 32) ** 0.5:.2e}"]


def train(job: Job, kit: Path, data: Path, out: Path, *, name: str, options: list[str]) -> int:
    """Train, and export the newest weights every two minutes."""
    run = data / name
    command = [sys.executable, "-m", "lrisc_system.train", *job.train, *options]
    command += ["--data", str(data / "photos"), "--masks", str(data / "masks")]
    command += ["--output", str(run), "--save-every", "2500", "--keep", "1"]
    command += ["--validate-every", "3000"]
    if job.from_kit:
        weights = from_eight_bits(load_file(kit / "model" / "model.safetensors"))
        shutil.copytree(kit / "model", data / "model", dirs_exist_ok=True)
        save_file(weights, data / "model" / "model.safetensors")
        command += ["--checkpoint", str(data / "model")]
    print("running", " ".join(command), flush=True)
    with (out / f"{name}.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        while process.poll() is None:
            begun = time.monotonic()
            while process.poll() is None and time.monotonic() - begun < EXPORT_SECONDS:
                time.sleep(0.5)
            if process.poll() is None:
                export(run, out, name=name)
    export(run, out, name=name)
    print((out / f"{name}.log").read_text()[-2500:])
    curves = run / "curves.jsonl"
    lines = curves.read_text().splitlines() if curves.is_file() else []
    print("\n".join([*lines[:2], *lines[-4:]]))
    return process.returncode


def main() -> None:
    """Run every part of a job; end with 1 if one of them failed."""
    parser = argparse.ArgumentParser(prog="gpu_kit.sh run", description=__doc__)
    parser.add_argument("kit", type=Path)
    parser.add_argument("job", choices=sorted(JOBS))
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, help="of training, instead of the job's own")
    parser.add_argument("--keep-kernels", action="store_true", help="pack the compiled kernels")
    options, more = parser.parse_known_args()  # what is left are options of `lrisc train`
    options.out.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    shutil.rmtree(DATA, ignore_errors=True)
    unpack(options.kit, DATA)
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(KERNELS)
    kernels = options.kit / "kernels.tar.xz"
    if kernels.is_file() and not KERNELS.exists():
        with tarfile.open(kernels) as archive:
            archive.extractall(KERNELS, filter="data")
    print(f"unpacked after {time.monotonic() - begun:.1f} s, torch {torch.__version__}")
    codes = []
    for number, job in enumerate(JOBS[options.job]):
        print(f"{options.job}: {job.about}")
        if job.tests:
            tests = [
                "-m",
                "pytest",
                "-q",
                "-m",
                "gpu",
                "-x",
                "packages/lrisc-system/tests/test_gpu.py",
            ]
            codes.append(subprocess.call([sys.executable, *tests], cwd=REPOSITORY))
            throughput("--profile")
        if job.train:
            minutes = str(job.minutes if options.minutes is None else options.minutes)
            chosen = choose_batch(job.batches) if job.batches else []
            more_options = ["--minutes", minutes, *chosen, *more]
            name = f"{options.job}-{number}"
            codes.append(
                train(job, options.kit, DATA, options.out, name=name, options=more_options)
            )
    if options.keep_kernels and KERNELS.exists():
        with tarfile.open(options.out / "kernels.tar.xz", "w:xz", preset=1) as archive:
            archive.add(KERNELS, ".")
    print(f"ended after {time.monotonic() - begun:.1f} s, exit codes {codes}")
    sys.exit(int(any(codes)))


if __name__ == "__main__":
    main()
