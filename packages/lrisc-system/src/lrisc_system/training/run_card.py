"""The run card: what a model was trained on, how and for how long, beside its weights."""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import cast

import accelerate
import torch

from lrisc_system.data.photos import Fingerprint
from lrisc_system.storage.checkpoint import CARD_NAME
from lrisc_system.storage.files import hash_file, write_atomically
from lrisc_system.storage.pretrained import WEIGHTS_NAME
from lrisc_system.training.recipes import Recipe
from lrisc_system.training.state import Position, RunTotals

TEXT_NAME, PLOT_NAME = "run.md", "run-curves.png"
SELECTION = (
    "the last step; the weights are the moving average of the trained ones; "
    "no checkpoint was chosen by its validation figures"
)


@dataclass(frozen=True)
class RunCard:
    """What there is to know of a run.

    Args:
        model: what was trained, as `--model` names it.
        preset: of the model.
        seed: of everything random.
        data: fingerprint of the training photos.
        held_out: fingerprint of the validation photos.
        masks: whether saliency came from files; detected on the fly otherwise.
        start: what training began with, by `describe_start`.
        recipe: stages and loss weights.
        processes: that trained.
        accumulate: micro-batches per process and step.
        mixed_precision: "no" or "bf16".
        place: where the run stood.
        resumed_at: where it was taken up again.
        ledger: seconds trained and photos skipped.
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
    processes: int
    accumulate: int
    mixed_precision: str
    place: Position
    resumed_at: Sequence[str]
    ledger: RunTotals
    curves: Sequence[dict[str, object]]

    def to_json(self) -> str:
        """Write the card for programs."""
        own = {name: value for name, value in asdict(self).items() if name != "ledger"}
        return json.dumps(
            {
                **own,
                **asdict(self.ledger),
                "selection": SELECTION,
                "versions": versions(),
            },
            indent=1,
        )

    def to_markdown(self) -> str:
        """Write the card for people."""
        recipe, stages = self.recipe, self.recipe.stages
        reached = f"stage {stages[self.place.stage].name}, step {self.place.step}"
        lines = [
            f"# Run of `{self.model}`, preset `{self.preset}`",
            "",
            "| | |",
            "| --- | --- |",
            f"| reached | {reached} |",
            f"| trained | {self.ledger.seconds:.0f} s on {self.processes} process(es), "
            f"accumulation {self.accumulate}, mixed precision {self.mixed_precision} |",
            f"| resumed at | {', '.join(self.resumed_at) or 'never'} |",
            f"| seed | {self.seed} |",
            f"| data | {self.data.files} files, names and sizes {self.data.sha256[:16]} |",
            f"| held out | {self.held_out.files} files, {self.held_out.sha256[:16]} |",
            f"| saliency | {'mask files' if self.masks else 'detected on the fly'} |",
            f"| start | {self.start} |",
            f"| photos skipped | {len(self.ledger.skipped)} |",
            f"| loss | lambda_rate {recipe.lambda_rate:g}, lambda_perceptual "
            f"{recipe.lambda_perceptual:g} on LPIPS-{' + LPIPS-'.join(recipe.perceptual)}, "
            f"magnification up to {recipe.magnification} |",
            f"| average | decay {recipe.average_decay:g} |",
            f"| selection | {SELECTION} |",
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
        if self.ledger.skipped:
            lines += ["Photos skipped, and how often they were met:", ""]
            lines += [f"- {count} x {line}" for line, count in sorted(self.ledger.skipped.items())]
            lines.append("")
        return "\n".join(lines)


def describe_start(trained: Path | None) -> str:
    """Say what training began with: the closed form, or a trained model in a folder."""
    return "closed form" if trained is None else f"weights {hash_file(trained / WEIGHTS_NAME)[:16]}"


def versions() -> dict[str, str]:
    """Name the versions that figures may depend on."""
    return {
        "python": platform.python_version(),
        "lrisc-system": _own_version(),
        "torch": torch.__version__,
        "compressai": version("compressai"),
        "accelerate": accelerate.__version__,
    }


def _own_version() -> str:
    """Name the installed version; from a source tree on the path, say that there is none."""
    try:
        return version("lrisc-system")
    except PackageNotFoundError:
        return "not installed"


def write_card(card: RunCard, folder: Path) -> None:
    """Write `run.json` and `run.md` into a folder."""
    write_atomically(folder / CARD_NAME, (card.to_json() + "\n").encode())
    write_atomically(folder / TEXT_NAME, card.to_markdown().encode())


def finish_card(card: RunCard, folder: Path, *, model: Path) -> None:
    """Write the card and the plot of the curves, and put a copy beside the finished weights."""
    write_card(card, folder)
    plot_curves(card, folder / PLOT_NAME)
    for name in (CARD_NAME, TEXT_NAME, PLOT_NAME):
        shutil.copyfile(folder / name, model / name)


def read_resumes(folder: Path) -> list[str]:
    """Read where the run of a folder was taken up before."""
    path = folder / CARD_NAME
    return list(json.loads(path.read_text())["resumed_at"]) if path.exists() else []


def plot_curves(card: RunCard, path: Path) -> None:
    """Draw loss, CBR, PSNR and LPIPS over the steps of the whole run."""
    from matplotlib.figure import Figure

    first, total = {}, 0
    for stage in card.recipe.stages:
        first[stage.name] = total
        total += max(
            (cast(int, x["step"]) for x in card.curves if x["stage"] == stage.name), default=0
        )
    panels: dict[str, list[tuple[float, float]]] = {
        "loss": [],
        "expected CBR": [],
        "PSNR (dB), held out": [],
        "LPIPS, held out": [],
    }
    for line in card.curves:
        step = first[str(line["stage"])] + cast(int, line["step"])
        figures = cast(dict[str, float], line.get("validation", line))
        names = {"psnr": "PSNR (dB), held out", "lpips": "LPIPS, held out"}
        names |= {} if "validation" in line else {"total": "loss", "cbr": "expected CBR"}
        for key, title in names.items():
            if key in figures:
                panels[title].append((step, figures[key]))
    figure = Figure(figsize=(9, 7))
    figure.subplots_adjust(left=0.08, right=0.98, bottom=0.08, top=0.95, hspace=0.35)
    for axes, (title, points) in zip(figure.subplots(2, 2).flat, panels.items(), strict=True):
        axes.plot(*zip(*points, strict=True) if points else ([], []), ".-")
        axes.set(title=title, xlabel="step", xlim=(0, max(1, total)))
        for start in first.values():
            axes.axvline(start, color="0.85", zorder=0)
    figure.savefig(path, dpi=100)
