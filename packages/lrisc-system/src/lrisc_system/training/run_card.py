"""The run card, next to the weights: what a model was trained on, how and for how long."""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import cast

import accelerate
import torch
from accelerate import Accelerator

from lrisc_system.data.photos import Fingerprint, hash_files
from lrisc_system.devices import describe_device
from lrisc_system.storage.checkpoint import CARD_NAME
from lrisc_system.storage.files import hash_file, write_atomically
from lrisc_system.storage.pretrained import WEIGHTS_NAME, name_finished
from lrisc_system.storage.tensors import CheckpointError
from lrisc_system.training.curve_plot import plot_curves
from lrisc_system.training.progress import Position, RunTotals
from lrisc_system.training.recipes import Recipe
from lrisc_system.training.settings import TrainSettings
from lrisc_system.training.validation import describe_validation

TEXT_NAME, PLOT_NAME = "run.md", "run-curves.png"
SELECTION = (
    "the last step; the weights are the moving average of the trained ones; "
    "no checkpoint was chosen by its validation figures"
)
FLOP = "matrix products, convolutions and attention, forward and backward"


@dataclass(frozen=True)
class RunCard:
    """Record of a run.

    Args:
        model: kind of the model, as `--model` names it.
        preset: preset of the model.
        seed: seed of everything random.
        data: fingerprint of the training photos.
        held_out: fingerprint of the validation photos.
        masks: whether saliency maps came from files; otherwise they were detected during training.
        start: initial weights, by `describe_start`.
        recipe: stages and loss weights.
        minutes: length of the run if it was given as a time; then the recipe's steps do not count.
        device: device of each process, by `describe_device`.
        processes: number of processes.
        accumulate: micro-batches per process and step.
        mixed_precision: "no" or "bf16".
        max_norm: largest norm of the gradient.
        reals_per_token: real numbers sent for 16 x 16 pixels, of a model for one bandwidth.
        position: position of the run when the card was written.
        resumed_at: positions at which the run was resumed.
        totals: totals of the run.
        curves: lines of the run's curves.
    """

    model: str
    preset: str
    seed: int
    data: Fingerprint
    held_out: Fingerprint
    masks: bool
    start: str
    recipe: Recipe
    minutes: float | None
    device: str
    processes: int
    accumulate: int
    mixed_precision: str
    max_norm: float = 1.0
    reals_per_token: int | None = None
    position: Position = field(default_factory=Position)
    resumed_at: Sequence[str] = ()
    totals: RunTotals = field(default_factory=RunTotals)
    curves: Sequence[dict[str, object]] = ()

    def to_json(self) -> str:
        """Write the card as JSON."""
        own = asdict(self)
        position, totals = own.pop("position"), own.pop("totals")
        return json.dumps(
            {
                **own,
                "place": position,
                **totals,
                "images_per_second": self.totals.images_per_second(),
                "selection": SELECTION,
                "versions": versions(),
            },
            indent=1,
        )

    def to_markdown(self) -> str:
        """Write the card as Markdown."""
        recipe, stages, totals = self.recipe, self.recipe.stages, self.totals
        reached = f"stage {stages[self.position.stage].name}, step {self.position.step}"
        length = "the steps below" if self.minutes is None else f"{self.minutes:g} minutes"
        lines = [
            f"# Run of `{self.model}`, preset `{self.preset}`",
            "",
            "| | |",
            "| --- | --- |",
            f"| reached | {reached} |",
            f"| length | {length} |",
            f"| trained | {totals.seconds:.0f} s on {self.processes} process(es), "
            f"accumulation {self.accumulate}, mixed precision {self.mixed_precision} |",
            f"| device | {self.device} |",
            f"| steps | {totals.steps} steps, {totals.images} images, "
            f"{totals.images_per_second():.1f} images/s |",
            f"| FLOP | {totals.flop:.2e}, an estimate: {FLOP} |",
            f"| resumed at | {', '.join(self.resumed_at) or 'never'} |",
            f"| seed | {self.seed} |",
            f"| data | {self.data.files} files, names and sizes {self.data.sha256[:16]} |",
            f"| held out | {self.held_out.files} files, {self.held_out.sha256[:16]} |",
            f"| saliency | {'mask files' if self.masks else 'detected during training'} |",
            f"| start | {self.start} |",
            f"| photos skipped | {len(totals.skipped)} |",
            f"| loss | lambda_rate {recipe.lambda_rate:g}, lambda_perceptual "
            f"{recipe.lambda_perceptual:g} on LPIPS-{' + LPIPS-'.join(recipe.perceptual)}, "
            f"magnification up to {recipe.magnification} |",
            f"| average | decay {recipe.average_decay:g} |",
            f"| selection | {SELECTION} |",
            *(f"| last validation | {text} |" for text in self._last_validation()),
            *(f"| {name} | {number} |" for name, number in versions().items()),
            "",
            "| stage | steps | batch | crop | learning rate | SNR (dB) | eta | alpha |",
            "| --- | --- | --- | --- | --- | --- | --- | --- |",
            *(
                f"| {s.name} | {s.steps} | {s.batch_size} | {s.crop} | {s.learning_rate:g} to "
                f"{s.final_learning_rate:g} | {s.snr_db[0]:g} to {s.snr_db[1]:g} | "
                f"{s.eta[0]:g} to {s.eta[1]:g} | {s.alpha[0]:g} to {s.alpha[1]:g} |"
                for s in stages
            ),
            "",
            f"![curves]({PLOT_NAME})",
            "",
        ]
        if totals.skipped:
            lines += ["Photos skipped, and how often they were met:", ""]
            lines += [f"- {count} x {line}" for line, count in sorted(totals.skipped.items())]
            lines.append("")
        return "\n".join(lines)

    def _last_validation(self) -> list[str]:
        """Describe the last validation, if there was one."""
        found = [line["validation"] for line in self.curves if "validation" in line]
        return [describe_validation(cast(dict[str, float], each)) for each in found[-1:]]


def describe_run(
    settings: TrainSettings,
    *,
    recipe: Recipe,
    data: Fingerprint,
    held_out: Iterable[Path],
    accelerator: Accelerator,
) -> RunCard:
    """Make the card of a run that has not begun.

    Args:
        settings: settings of the run.
        recipe: recipe of the run.
        data: fingerprint of the training photos.
        held_out: validation photos.
        accelerator: joins the processes.
    """
    return RunCard(
        model=settings.model,
        preset=settings.preset,
        seed=settings.seed,
        data=data,
        held_out=hash_files(held_out),
        masks=settings.masks is not None,
        start=describe_start(settings.start_from),
        recipe=recipe,
        minutes=settings.minutes,
        device=describe_device(accelerator.device),
        processes=accelerator.num_processes,
        accumulate=settings.accumulate,
        mixed_precision=accelerator.mixed_precision,
        max_norm=settings.max_norm,
        reals_per_token=settings.reals_per_token,
    )


def describe_start(trained: Path | None) -> str:
    """Describe the initial weights: the closed form, or the hash of a trained model's file.

    Raises:
        CheckpointError: if the file cannot be read.
    """
    if trained is None:
        return "closed form"
    path = trained / WEIGHTS_NAME
    try:
        return f"weights {hash_file(path)[:16]}"
    except OSError as error:
        raise CheckpointError(
            f"{path} is damaged or no safetensors file: {error}{name_finished(trained)}"
        ) from error


def versions() -> dict[str, str]:
    """List the versions that the results may depend on."""
    return {
        "python": platform.python_version(),
        "lrisc-system": _own_version(),
        "torch": torch.__version__,
        "compressai": version("compressai"),
        "accelerate": accelerate.__version__,
    }


def _own_version() -> str:
    """Return the installed version, or say that the package runs from its source tree."""
    try:
        return version("lrisc-system")
    except PackageNotFoundError:
        return "not installed"


def write_card(card: RunCard, folder: Path) -> None:
    """Write `run.json` and `run.md` into a folder."""
    write_atomically(folder / CARD_NAME, (card.to_json() + "\n").encode())
    write_atomically(folder / TEXT_NAME, card.to_markdown().encode())


def finish_card(card: RunCard, folder: Path, *, model: Path) -> None:
    """Write the card and the plot of the curves, and copy them into the folder of the model."""
    write_card(card, folder)
    plot_curves(card.recipe.stages, card.curves, folder / PLOT_NAME)
    for name in (CARD_NAME, TEXT_NAME, PLOT_NAME):
        shutil.copyfile(folder / name, model / name)


def write_average_card(
    folder: Path, *, model: str, preset: str | None, averaged: Sequence[Path]
) -> None:
    """Write `run.json` next to the average of trained models, so that the model opens by its kind.

    Args:
        folder: folder of the new model.
        model: kind of the models, as `--model` names it.
        preset: their preset, if it is known.
        averaged: folders of the models; the hashes of their weights are recorded.
    """
    card = {
        "model": model,
        **({} if preset is None else {"preset": preset}),
        "average_of": [hash_file(trained / WEIGHTS_NAME) for trained in averaged],
        "versions": versions(),
    }
    write_atomically(folder / CARD_NAME, (json.dumps(card, indent=1) + "\n").encode())
