import json
import math
import re

import pytest

from lrisc_system.data.images import load_image
from lrisc_system.training.presets import RECIPES


def test_a_run_leaves_curves_and_pictures(finished):
    lines = [json.loads(line) for line in (finished / "curves.jsonl").read_text().splitlines()]
    validations = [line["validation"] for line in lines if "validation" in line]
    assert len(validations) == len(RECIPES["tiny"].stages)
    assert all(math.isfinite(figures["psnr"]) for figures in validations)
    assert len(list((finished / "pictures").glob("*.png"))) == len(validations)


def test_the_card_lies_beside_the_weights(finished):
    card = json.loads((finished / "model" / "run.json").read_text())
    assert (card["model"], card["preset"], card["seed"]) == ("lrisc", "tiny", 0)
    assert card["data"]["files"] == 5
    assert card["held_out"]["files"] == 1
    assert card["place"] == {"stage": len(RECIPES["tiny"].stages) - 1, "step": 2}
    assert [stage["name"] for stage in card["recipe"]["stages"]] == [
        stage.name for stage in RECIPES["tiny"].stages
    ]
    assert "torch" in card["versions"]
    stages = RECIPES["tiny"].stages
    assert card["steps"] == sum(stage.steps for stage in stages) == 14
    assert card["images"] == sum(stage.steps * stage.batch_size for stage in stages) == 28
    assert card["images_per_second"] == pytest.approx(28 / card["seconds"])
    assert card["flop"] > 28e6  # a million operations for an image of 64 x 64 at the least
    assert card["device"].startswith("cpu")
    assert card["minutes"] is None
    text = (finished / "model" / "run.md").read_text()
    assert "| steps | 14 steps, 28 images, " in text
    assert "| FLOP | " in text
    assert "| device | cpu" in text
    assert re.search(
        r"\| last validation \| [\d.]+ dB, LPIPS [\d.]+.* at CBR 0\.\d{4}, 10 dB \|", text
    )
    assert "| reached | stage 4-realism, step 2 |" in text
    assert load_image(finished / "model" / "run-curves.png").shape[1] == 3
