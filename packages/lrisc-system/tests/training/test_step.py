import json
import math
from dataclasses import replace

import pytest
import torch

from lrisc_system.training import step, trainer
from lrisc_system.training.failures import TrainingError
from lrisc_system.training.lrisc import TrainableLRISC


def test_a_broken_loss_stops_the_run(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(step, "first_broken", lambda values: "roi")
    with pytest.raises(TrainingError, match="roi is not finite in stage 0-hyperprior, step 0"):
        trainer.Trainer(replace(settings, output=tmp_path), TrainableLRISC()).run()
    batch = json.loads((tmp_path / "broken-batch.json").read_text())
    assert (batch["term"], batch["stage"], batch["step"], batch["part"]) == (
        "roi",
        "0-hyperprior",
        0,
        0,
    )
    assert isinstance(batch["seed"], int)
    assert all(name.startswith("photo") for name in batch["photos"])


def test_a_broken_gradient_stops_the_run(settings, tmp_path, monkeypatch):
    broken = torch.tensor(math.nan)
    monkeypatch.setattr(
        "accelerate.Accelerator.clip_grad_norm_", lambda accelerator, *arguments: broken
    )
    with pytest.raises(TrainingError, match="the gradient is not finite in stage 0-hyperprior"):
        trainer.Trainer(replace(settings, output=tmp_path), TrainableLRISC()).run()
