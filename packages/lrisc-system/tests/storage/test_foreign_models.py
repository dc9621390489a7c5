"""Whatever a config or a weights file says, the answer is a model or one line, at once."""

import json
import time

import pytest
import torch
from safetensors.torch import load_file, save_file

from lrisc_system.config import TINY
from lrisc_system.storage.checkpoint import load_model, recorded_model, save_model
from lrisc_system.storage.tensors import CheckpointError
from lrisc_system.system import LRISC

CDF = "hyperprior.bottleneck._quantized_cdf"
LENGTH = "hyperprior.bottleneck._cdf_length"
OFFSET = "hyperprior.bottleneck._offset"
MEDIANS = "hyperprior.bottleneck.quantiles"
SCALE = "hyperprior.channel_scale"
WEIGHT = "g_a.linear.weight"


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model") / "tiny"
    save_model(LRISC(TINY), folder)
    return folder


@pytest.fixture
def refused(original, tmp_path):
    """Store a config and tensors; they must be refused in one line, in a second of CPU time."""

    def check(*, tensors=None, config=None):
        tensors = load_file(original / "model.safetensors") if tensors is None else tensors
        text = (original / "config.json").read_text() if config is None else config
        save_file(tensors, tmp_path / "model.safetensors")
        (tmp_path / "config.json").write_text(text)
        started = time.process_time()
        with pytest.raises(CheckpointError) as caught:
            load_model(tmp_path)
        assert time.process_time() - started < 1.0
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return check


def wrong_table(change):
    def edit(tensors):
        tensors[CDF] = change(tensors[CDF].clone()).contiguous()

    return edit


def fill(name, value):
    def edit(tensors):
        tensors[name] = torch.full_like(tensors[name], value)

    return edit


def convert(name, dtype):
    def edit(tensors):
        tensors[name] = tensors[name].to(dtype)

    return edit


def reshape(name, *shape):
    def edit(tensors):
        tensors[name] = torch.zeros(shape, dtype=tensors[name].dtype)

    return edit


def flat(cdf):
    cdf[0, 1:3] = cdf[0, 1]
    return cdf


def high(cdf):
    cdf[:, 1] = 1 << 30
    return cdf


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (wrong_table(lambda cdf: cdf[:, :2]), "coding tables of 3 to 65537 numbers, got 2"),
        (wrong_table(lambda cdf: cdf[:3]), "coding tables of 8 channels, got shapes"),
        (wrong_table(lambda cdf: cdf.flatten()), "coding tables of 8 channels"),
        (wrong_table(torch.zeros_like), "rise from 0 to 65536"),
        (wrong_table(flat), "rise from 0 to 65536"),
        (wrong_table(high), "rise from 0 to 65536"),
        (wrong_table(lambda cdf: cdf.float()), f"expected torch.int32 for {CDF}, got F32"),
        (fill(LENGTH, 0), "lengths of coding tables"),
        (fill(LENGTH, 1 << 30), "lengths of coding tables"),
        (fill(LENGTH, -5), "lengths of coding tables"),
        (fill(OFFSET, 1 << 30), "offsets and medians within 32768"),
        (fill(MEDIANS, 1e9), "offsets and medians within 32768"),
        (fill(SCALE, 0.0), "channel_scale above 0"),
        (fill(WEIGHT, torch.nan), f"expected finite numbers in {WEIGHT}"),
        (fill(WEIGHT, torch.inf), f"expected finite numbers in {WEIGHT}"),
        (convert(WEIGHT, torch.int32), f"expected torch.float32 for {WEIGHT}, got I32"),
        (convert(WEIGHT, torch.float8_e4m3fn), "got F8_E4M3"),
        (reshape(WEIGHT, 2, 2), f"size mismatch for {WEIGHT}"),
        (reshape(CDF, 0), "tables of the entropy coder are missing"),
        (lambda tensors: tensors.pop(LENGTH), LENGTH),
    ],
)
def test_weights_are_checked_before_use(original, refused, edit, message):
    tensors = load_file(original / "model.safetensors")
    edit(tensors)
    for name in (CDF, LENGTH, OFFSET):
        if tensors.get(CDF) is not None and tensors[CDF].numel() == 0 and name in tensors:
            tensors[name] = tensors[name][:0].contiguous()
    assert message in refused(tensors=tensors)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"adapter_hidden": 10**6}, "expected a number up to 65536"),
        ({"adapter_hidden": 60000}, "size mismatch"),
        ({"adapter_hidden": "8"}, "config.adapter_hidden: expected int, got '8'"),
        ({"adapter_hidden": True}, "expected int, got True"),
        ({"alpha": None}, "expected float, got None"),
        ({"eta": 10**400}, "expected a number up to 65536"),
        ({"codec": {"depth": 10**4}}, "expected depth in [0, 64]"),
        ({"codec": {"depth": 64}}, "lacks"),
        ({"codec": {"window": 65534}}, "size mismatch"),
        ({"codec": {"levels": {"a": 1}}}, "expected a list"),
        ({"codec": {"levels": list(range(0, 5000, 2))}}, "levels"),
        ({"diffusion": {"unet": {"units": 10**4}}}, "expected units in [4, 32]"),
        ({"diffusion": {"unet": {"attention_heads": 65536, "attention_width": 65536}}}, "size"),
        ({"transform": {"widths": [65536] * 3}}, "size mismatch"),
        ({"transform": {"residual_blocks": 10**4}}, "residual_blocks in [0, 64]"),
        ({"hyperprior": {"hyper_channels": 65536}}, "size mismatch"),
        ({"hyperprior": []}, "expected the keys"),
    ],
)
def test_configs_are_checked_before_anything_is_built(original, refused, change, message):
    config = json.loads((original / "config.json").read_text())
    assert message in refused(config=json.dumps(merge(config, change)))


def merge(config, change):
    """Lay nested values of `change` over those of `config`."""
    if not (isinstance(config, dict) and isinstance(change, dict)):
        return change
    return config | {name: merge(config.get(name), value) for name, value in change.items()}


@pytest.mark.parametrize(
    "text",
    ["", "[" * 100_000, "NaN", '{"alpha": Infinity}', '"text"', "{}" + " " * (1 << 21)],
    ids=["empty", "deep", "nan", "infinite", "a string", "too long"],
)
def test_texts_that_are_no_config(refused, text):
    assert "config.json" in refused(config=text)


def test_a_run_card_of_many_levels_is_one_line(tmp_path):
    (tmp_path / "run.json").write_text("[" * 100_000)
    with pytest.raises(CheckpointError, match="damaged or no run card: expected JSON of fewer"):
        recorded_model(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_the_model_of_something_else_is_not_replaced(tmp_path, name):
    (tmp_path / name).write_text('{"hidden_size": 768}')
    for save in (save_model, LRISC.save_pretrained):
        with pytest.raises(FileExistsError, match="of something else, which is not replaced"):
            save(LRISC(TINY), tmp_path)
    assert (tmp_path / name).read_text() == '{"hidden_size": 768}'
    assert [path.name for path in tmp_path.iterdir()] == [name]
