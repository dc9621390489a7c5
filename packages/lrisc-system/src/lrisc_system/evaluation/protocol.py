"""Which settings a folder of results was made with: others are refused, links may be added."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from lrisc_system.data.photos import hash_files
from lrisc_system.evaluation.settings import EvaluateSettings
from lrisc_system.storage.files import hash_file, refuse_foreign, write_atomically

PROTOCOL_NAME = "evaluation.json"
WRITTEN = ("results.csv", "summary.csv", "tables.md", "rows")


@dataclass(frozen=True)
class Protocol:
    """All that decides what the rows of a folder say.

    Args:
        common: what holds for every link.
        links: the identity of each link that was measured.
    """

    common: Mapping[str, object]
    links: Mapping[str, Mapping[str, object]]

    def merge(self, folder: Path) -> Protocol:
        """Add the links that a folder knows already.

        Raises:
            ValueError: the folder was made with other settings, or with another model.
            FileExistsError: the folder holds results that no evaluation of ours wrote.
        """
        path = folder / PROTOCOL_NAME
        refuse_foreign(folder, mark=PROTOCOL_NAME, names=WRITTEN)
        if not path.exists():
            return self
        try:
            stored = json.loads(path.read_text())
            common, links = dict(stored["common"]), dict(stored["links"])
            links = {name: dict(identity) for name, identity in links.items()}
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: expected the settings of an evaluation") from error
        mine = json.loads(json.dumps(self.common))  # as JSON tells them: lists, not tuples
        refuse_difference("the settings", mine, common, folder)
        for name, identity in self.links.items():
            if name in links:
                refuse_difference(f"the link {name}", dict(identity), links[name], folder)
        return Protocol(self.common, {**links, **self.links})

    def write(self, folder: Path) -> None:
        """Store the settings in a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"common": self.common, "links": self.links}, indent=1)
        write_atomically(folder / PROTOCOL_NAME, (text + "\n").encode())


def describe_common(
    settings: EvaluateSettings, photos: list[Path], masks: list[Path] | None, *, vgg: bool
) -> dict[str, object]:
    """List what holds for every link.

    Args:
        settings: of the evaluation.
        photos: its images.
        masks: their saliency maps, if any.
        vgg: whether LPIPS on VGG16 is measured.
    """
    weights = None if settings.vgg is None else hash_file(settings.vgg)
    return {
        "images": asdict(hash_files(photos)),
        "masks": masks and asdict(hash_files(masks)),
        "crop": settings.crop,
        "fading": settings.fading.name,
        "snr_db": sorted(set(settings.snr_db)),
        "cbr": settings.cbr,
        "bandwidths": sorted(set(settings.bandwidths)),
        "bandwidths_snr_db": settings.bandwidths_snr_db,
        "seeds": settings.seeds,
        "vgg": weights if vgg else "left out",
        "picture_cbr": settings.picture_cbr,
    }


def refuse_difference(
    what: str, mine: dict[str, object], stored: dict[str, object], folder: Path
) -> None:
    """Name the first setting that differs.

    Raises:
        ValueError: if one does.
    """
    for name in {**stored, **mine}:
        if mine.get(name) != stored.get(name):
            raise ValueError(
                f"expected {what} that {folder} was started with, {name} {stored.get(name)}, "
                f"got {mine.get(name)}"
            )
