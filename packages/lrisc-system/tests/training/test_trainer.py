import io
import json
import shutil
import tarfile
from dataclasses import replace

import pytest
import torch
import torchvision
from accelerate.state import AcceleratorState
from PIL import Image
from safetensors.torch import load_file, save_file

from entropy_hyperprior import SynthesisTransform
from lrisc_system import LRISC, SynthesisDecoder
from lrisc_system.data.images import load_image
from lrisc_system.storage.checkpoint import load_model
from lrisc_system.training import trainer
from lrisc_system.training.lrisc import TrainableLRISC
from lrisc_system.training.presets import RECIPES
from lrisc_system.training.progress import Position
from lrisc_system.training.state import list_states, load_totals


def test_a_run_ends_in_a_model_that_transmits(finished, folder):
    system = load_model(finished / "model", expected_preset="tiny")
    image = load_image(folder / "photo00.png")
    received, _ = system.transmit(image, 10.0, generator=torch.Generator().manual_seed(0))
    assert (received - image).square().mean() < 0.02


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
    assert [stage["name"] for stage in second["recipe"]["stages"]] == [
        "3-larger-crops",
        "4-realism",
    ]
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
    assert names == ["1-prior-codec", "3-end-to-end", "3-larger-crops"]  # it takes no realism
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
                grey = io.BytesIO()
                Image.open(photo).convert("L").save(grey, "PNG")
                contents = {".png": data, ".mask.png": grey.getvalue()}
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
    assert all(0 < loss < 2 for loss in losses)  # the critic's is 1.5 in the last stage
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
    assert {"train/total", "train/cbr"} <= scalars
    assert {"validation/psnr", "validation/lpips", "validation/roi_iou"} <= scalars
    assert "sent above, received below" in images


def steps_of(output):
    """List the recorded positions of a run, (stage, step), in the order of its curves."""
    lines = [json.loads(line) for line in (output / "curves.jsonl").read_text().splitlines()]
    return [(line["stage"], line["step"]) for line in lines if "total" in line]


@pytest.fixture(scope="module")
def timed(settings, tmp_path_factory):
    """A run of 0.02 minutes, 1.2 seconds, with a checkpoint after every step."""
    AcceleratorState._reset_state(reset_partial_state=True)
    output = tmp_path_factory.mktemp("timed")
    options = replace(settings, output=output, minutes=0.02, validation_photos=0)
    trainer.Trainer(options, TrainableLRISC()).run()
    return options


def test_a_run_of_some_minutes_ends_in_a_model(timed):
    card = json.loads((timed.output / "model" / "run.json").read_text())
    assert card["minutes"] == 0.02
    assert card["seconds"] >= 1.2
    assert card["place"]["stage"] == len(RECIPES["tiny"].stages) - 1
    assert card["images"] == 2 * card["steps"] > 0
    assert "| length | 0.02 minutes |" in (timed.output / "run.md").read_text()
    load_model(timed.output / "model", expected_preset="tiny")


def test_a_run_of_some_minutes_resumes_with_the_time_that_is_left(timed, tmp_path):
    output = tmp_path / "run"
    first = list_states(timed.output / "checkpoints")[0]
    shutil.copytree(first, output / "checkpoints" / first.name)
    shutil.copy(timed.output / "curves.jsonl", output)
    options = replace(timed, output=output, resume=True)
    trainer.Trainer(options, TrainableLRISC()).run()
    card = json.loads((output / "model" / "run.json").read_text())
    assert card["resumed_at"] == [first.name]
    assert card["minutes"] == 0.02
    assert card["seconds"] >= 1.2 > load_totals(first).seconds
    assert card["steps"] > load_totals(first).steps
    assert len(set(steps_of(output))) == len(steps_of(output))


@pytest.fixture(scope="module")
def few(folder, tmp_path_factory):
    """Two photos, none of them held out."""
    photos = tmp_path_factory.mktemp("few")
    for name in ("photo00.png", "photo01.png"):
        shutil.copy(folder / name, photos)
    return photos


def test_a_run_says_what_it_leaves_out_and_where_its_model_is(
    settings, few, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "40")  # the line is not broken
    options = replace(settings, data=few, output=tmp_path / "run", first_stage="3-larger-crops")
    trainer.Trainer(options, TrainableLRISC()).run()
    model = tmp_path / "run" / "model"
    lines = capsys.readouterr().out.rstrip().splitlines()
    assert lines[0] == "no photo was held out, so there is no validation"
    assert lines[-1] == f"Model: {model}. Open it with --checkpoint {model}."


def test_an_old_run_is_not_overwritten(finished, settings):
    with pytest.raises(ValueError, match="--resume"):
        trainer.Trainer(settings, TrainableLRISC()).run()
