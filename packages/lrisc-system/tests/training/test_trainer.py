import io
import json
import math
import sys
import tarfile
from dataclasses import replace

import pytest
import torch
import torchvision
from accelerate.state import AcceleratorState
from safetensors.torch import load_file, save_file

from entropy_hyperprior import SynthesisTransform
from lrisc_system import LRISC, SynthesisDecoder, train
from lrisc_system.data.images import load_image, save_image
from lrisc_system.storage.checkpoint import load_model
from lrisc_system.training import trainer
from lrisc_system.training.failures import TrainingError
from lrisc_system.training.lrisc import TrainableLRISC
from lrisc_system.training.objective import LossTerms, first_broken
from lrisc_system.training.presets import RECIPES
from lrisc_system.training.recipes import Recipe, Stage
from lrisc_system.training.settings import TrainSettings
from lrisc_system.training.state import Position


@pytest.fixture(autouse=True)
def _fresh_accelerator():
    """Mixed precision is chosen once per process."""
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A few smooth photos, one of them held out for validation."""
    photos = tmp_path_factory.mktemp("photos")
    generator = torch.Generator().manual_seed(0)
    for index in (0, 1, 2, 3, 4, 11):  # the name photo11 is held out
        coarse = torch.rand(1, 3, 6, 6, generator=generator)
        save_image(
            torch.nn.functional.interpolate(coarse, size=(80, 72), mode="bicubic"),
            photos / f"photo{index:02d}.png",
        )
    return photos


@pytest.fixture(scope="module")
def settings(folder, tmp_path_factory):
    return TrainSettings(
        preset="tiny",
        data=folder,
        output=tmp_path_factory.mktemp("run"),
        workers=0,
        save_every=1,
        keep=100,
    )


@pytest.fixture(scope="module")
def finished(settings):
    trainer.Trainer(settings, TrainableLRISC()).run()
    return settings.output


def test_a_run_ends_in_a_model_that_transmits(finished, folder):
    system = load_model(finished / "model", expected_preset="tiny")
    image = load_image(folder / "photo00.png")
    received, _ = system.transmit(image, 10.0, generator=torch.Generator().manual_seed(0))
    assert (received - image).square().mean() < 0.02


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
    assert card["place"] == {"stage": 5, "step": 2}
    assert [stage["name"] for stage in card["recipe"]["stages"]] == [
        stage.name for stage in RECIPES["tiny"].stages
    ]
    assert "torch" in card["versions"]
    text = (finished / "model" / "run.md").read_text()
    assert "| reached | stage 3-larger-crops, step 2 |" in text
    assert load_image(finished / "model" / "run-curves.png").shape[1] == 3


@pytest.mark.parametrize("index", range(len(RECIPES["tiny"].stages)))
def test_only_the_stages_parameters_move(finished, settings, index):
    stage = RECIPES["tiny"].stages[index]
    before, after = (
        load_file(finished / "checkpoints" / str(Position(index, step)) / "model.safetensors")
        for step in (1, 2)
    )
    trained = {name for name, _ in stage.parameters(TrainableLRISC().make(settings))}
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert moved <= trained


@pytest.fixture(scope="module")
def vgg(tmp_path_factory):
    """A file of VGG16's shapes, its weights random."""
    path = tmp_path_factory.mktemp("vgg") / "vgg16.safetensors"
    with torch.device("meta"):
        shapes = torchvision.models.vgg16().features.state_dict(prefix="features.")
    save_file({name: 0.02 * torch.randn(shape.shape) for name, shape in shapes.items()}, path)
    return path


@pytest.fixture(scope="module")
def gone_on(finished, settings, vgg, tmp_path_factory):
    """A second run from the first one's model, through the last stage alone, with two LPIPS."""
    options = replace(
        settings,
        output=tmp_path_factory.mktemp("second"),
        start_from=finished / "model",
        first_stage="3-larger-crops",
        perceptual=("alex", "vgg"),
        vgg=vgg,
        magnification=3,
    )
    trainer.Trainer(options, TrainableLRISC()).run()
    return options.output


def test_training_goes_on_from_a_trained_model(finished, gone_on):
    """Adam's first step moves a weight by the learning rate at most."""
    before = load_file(finished / "model" / "model.safetensors")
    after = load_file(gone_on / "checkpoints" / str(Position(0, 1)) / "model.safetensors")
    rate = RECIPES["tiny"].stages[-1].learning_rate
    names = [name for name, _ in load_model(finished / "model").named_parameters()]
    moves = [(after[name] - before[name]).abs().max() for name in names if before[name].numel()]
    assert 0 < max(moves) < 1.01 * rate


def test_the_card_says_what_training_began_with(finished, gone_on):
    first, second = (json.loads((run / "run.json").read_text()) for run in (finished, gone_on))
    assert first["start"] == "closed form"
    assert second["start"].startswith("weights ")
    assert [stage["name"] for stage in second["recipe"]["stages"]] == ["3-larger-crops"]
    assert "on LPIPS-alex + LPIPS-vgg, magnification up to 3 |" in (gone_on / "run.md").read_text()


def plain(config):
    """Make an LRISC whose image decoder is g_s alone."""
    return LRISC(config, decoder=SynthesisDecoder(SynthesisTransform(config.transform)))


def test_another_decoder_learns_what_a_trained_sender_sends(finished, settings, tmp_path):
    options = replace(
        settings, output=tmp_path / "run", start_from=finished / "model", only=("decoder",)
    )
    trainer.Trainer(options, TrainableLRISC(plain)).run()
    card = json.loads((options.output / "run.json").read_text())
    names = [stage["name"] for stage in card["recipe"]["stages"]]
    assert names == ["1-prior-codec", "3-end-to-end", "3-larger-crops"]
    before, after = (
        {
            name: tensor
            for name, tensor in load_file(run / "model" / "model.safetensors").items()
            if not name.startswith("decoder")
        }
        for run in (finished, options.output)
    )
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.fixture(scope="module")
def shards(folder, tmp_path_factory):
    """Two tar shards with masks, one photo of them broken."""
    target = tmp_path_factory.mktemp("shards")
    for number in range(2):
        with tarfile.open(target / f"train-{number:04d}.tar", "w") as shard:
            for photo in sorted(folder.glob("*.png"))[number * 3 : number * 3 + 3]:
                data = photo.read_bytes()
                contents = {".png": data, ".mask.png": data}
                if photo.stem == "photo01":
                    contents[".png"] = data[:100]
                for suffix, content in contents.items():
                    entry = tarfile.TarInfo(f"set/{photo.stem}{suffix}")
                    entry.size = len(content)
                    shard.addfile(entry, io.BytesIO(content))
    return target


@pytest.fixture(scope="module")
def streamed(settings, shards, tmp_path_factory):
    """A run from shards with every option on; three steps a stage."""
    AcceleratorState._reset_state(reset_partial_state=True)
    output = tmp_path_factory.mktemp("streamed")
    options = replace(
        settings,
        output=output,
        stream=str(shards),
        steps_scale=1.5,
        accumulate=2,
        mixed_precision="bf16",
        checkpoint_gradients=True,
        log_with=("tensorboard",),
        validation_photos=1,
    )
    trainer.Trainer(options, TrainableLRISC()).run()
    return output


def test_a_streamed_run_in_mixed_precision_ends_in_a_model(streamed):
    load_model(streamed / "model", expected_preset="tiny")
    lines = [json.loads(line) for line in (streamed / "curves.jsonl").read_text().splitlines()]
    losses = [line["total"] for line in lines if "total" in line]
    assert len(losses) == len(RECIPES["tiny"].stages)
    assert all(0 < loss < 1 for loss in losses)
    assert json.loads((streamed / "run.json").read_text())["mixed_precision"] == "bf16"


def test_a_broken_photo_is_named_in_the_card(streamed):
    skipped = json.loads((streamed / "run.json").read_text())["skipped"]
    assert len(skipped) == 1
    assert next(iter(skipped)).startswith("set/photo01: ")
    assert "set/photo01: " in (streamed / "run.md").read_text()


def test_tensorboard_gets_numbers_and_pictures(streamed):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    scalars, images = set(), set()
    for path in (streamed / "logs").rglob("events.out*"):
        tags = EventAccumulator(str(path)).Reload().Tags()
        scalars.update(tags["scalars"])
        images.update(tags["images"])
    assert {"train/total", "train/cbr", "validation/psnr", "validation/lpips"} <= scalars
    assert "sent above, received below" in images


def test_an_old_run_is_not_overwritten(finished, settings):
    with pytest.raises(ValueError, match="--resume"):
        trainer.Trainer(settings, TrainableLRISC()).run()


def test_a_broken_loss_stops_the_run(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "first_broken", lambda values: "roi")
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


def test_a_broken_term_is_named():
    good, bad = torch.tensor(1.0), torch.tensor(math.nan)
    assert first_broken(LossTerms(*[good] * 6).values()) is None
    assert first_broken(LossTerms(good, good, bad, good, bad, good).values()) == "roi"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": "empty"}, "expected images"),
        ({"data": "nowhere"}, "expected a folder of images"),
        ({"stream": "empty"}, "expected tar shards"),
        ({"masks": "empty"}, "expected a mask for every photo"),
        ({"preset": "huge"}, "expected a preset of"),
        ({"accumulate": "3"}, "divides by processes times accumulation, got 3"),
        ({"first-stage": "4"}, "expected a first stage of ['0-hyperprior', "),
        ({"only": "decodr"}, "'jscc_encoder', 'smooth_mask'], got ('decodr',)"),
        ({"start-from": "empty"}, "is damaged or no safetensors file"),
        ({"perceptual": "vgg", "vgg": "nowhere.pth"}, "nowhere.pth: expected a file of backbone"),
        ({"log-with": "ouija"}, "expected a tracker of"),
        ({"log-with": "wandb"}, "pip install 'wandb'"),
    ],
)
def test_a_users_mistake_is_one_line(folder, tmp_path, monkeypatch, capfd, change, message):
    (tmp_path / "empty").mkdir()
    options = {"preset": "tiny", "data": str(folder), "output": "run", **change}
    monkeypatch.chdir(tmp_path)
    arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
    monkeypatch.setattr(sys, "argv", ["train", *arguments])
    with pytest.raises(SystemExit) as stop:
        train.main()
    assert stop.value.code == 2
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("lrisc: ")
    assert message in error


def test_settings_say_what_is_wrong(settings):
    with pytest.raises(ValueError, match="expected --data or --stream"):
        replace(settings, data=None)
    with pytest.raises(ValueError, match="expected save_every of at least 1, got 0"):
        replace(settings, save_every=0)
    with pytest.raises(ValueError, match="expected a magnification of at least 1, got 0"):
        replace(settings, magnification=0)


def test_settings_change_the_recipe(settings):
    changed = replace(settings, steps_scale=3.0, lambda_rate=0.5).adjust(RECIPES["tiny"])
    assert [stage.steps for stage in changed.stages] == [6] * len(RECIPES["tiny"].stages)
    assert changed.lambda_rate == 0.5
    assert changed.lambda_perceptual == RECIPES["tiny"].lambda_perceptual
    assert changed.perceptual == ("alex",)
    encoder = Recipe((Stage("a", trainable=("g_a",)),))
    with pytest.raises(ValueError, match="expected a stage from 'a' on that moves decoder, got no"):
        replace(settings, only=("decoder",)).adjust(encoder)
    both = ("alex", "vgg")
    assert replace(settings, perceptual=both).adjust(RECIPES["tiny"]).perceptual == both
