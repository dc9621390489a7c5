"""What must hold on a GPU: `pytest -m gpu`; skipped where there is none."""

from dataclasses import replace

import pytest
import torch
from accelerate.state import AcceleratorState

from jscc_ratetoken import Noiseless
from lrisc_system.config import TINY
from lrisc_system.data.images import save_image
from lrisc_system.data.photo_cache import CachedPhotos
from lrisc_system.data.photos import Samples
from lrisc_system.link import cross_channel
from lrisc_system.losses import grid_distortion
from lrisc_system.metrics.lpips import lpips_network
from lrisc_system.storage.checkpoint import load_model
from lrisc_system.system import LRISC
from lrisc_system.training.lrisc import TrainableLRISC, compile_model
from lrisc_system.training.objective import TrainingObjective
from lrisc_system.training.presets import RECIPES
from lrisc_system.training.settings import TrainSettings
from lrisc_system.training.trainer import Trainer

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
]
LRISC_KIND = TrainableLRISC()
CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(autouse=True)
def _plain_float32(monkeypatch):
    """Compare in float32 proper, and let every training choose its device anew."""
    AcceleratorState._reset_state(reset_partial_state=True)
    monkeypatch.delenv("ACCELERATE_TORCH_DEVICE", raising=False)
    matmul, conv = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, conv


@pytest.fixture
def systems():
    """The same model on both devices; every branch that starts at zero is shaken."""
    torch.manual_seed(0)
    system = LRISC(TINY)
    with torch.no_grad():
        for parameter in system.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
        system.hyperprior.channel_scale.copy_(8 * 0.9 ** torch.arange(32.0))
        system.g_a.linear.weight.mul_(20)
    system.hyperprior.update()
    system.eval()
    twin = LRISC(TINY)
    twin.hyperprior.update()
    twin.load_state_dict(system.state_dict())
    return system, twin.eval().to(GPU)


@pytest.fixture
def image():
    coarse = torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(1))
    return torch.nn.functional.interpolate(coarse, size=(96, 128), mode="bicubic").clamp(0, 1)


def agree(on_cpu, on_gpu, *, tolerance=1e-4):
    """Compare by the norm of the difference over the norm of the reference."""
    difference = (on_gpu.cpu().double() - on_cpu.double()).norm() / on_cpu.double().norm()
    assert difference < tolerance, f"they differ by {difference:.2e}"


def test_components_agree(systems, image):
    system, twin = systems
    y, y_gpu = system.g_a(image), twin.g_a(image.to(GPU))
    agree(y, y_gpu)
    prior, prior_gpu = system.hyperprior(y), twin.hyperprior(y.to(GPU))
    agree(prior.mean, prior_gpu.mean)
    agree(prior.scale, prior_gpu.scale)
    agree(prior.token_bits, prior_gpu.token_bits, tolerance=1e-3)
    rate_index = torch.randint(
        len(TINY.codec.levels), (1, 6, 8), generator=torch.Generator().manual_seed(0)
    )
    snr_db = torch.tensor([7.0])
    known = {"mean": prior.mean, "scale": prior.scale}
    known_gpu = {name: tensor.to(GPU) for name, tensor in known.items()}
    s = system.jscc_encoder(y, rate_index, snr_db, **known)
    s_gpu = twin.jscc_encoder(y.to(GPU), rate_index.to(GPU), snr_db.to(GPU), **known_gpu)
    agree(s, s_gpu)
    gain = torch.ones(1)
    y_hat = system.jscc_decoder(s, rate_index, snr_db, gain=gain, **known)
    y_hat_gpu = twin.jscc_decoder(
        s.to(GPU), rate_index.to(GPU), snr_db.to(GPU), gain=gain.to(GPU), **known_gpu
    )
    agree(y_hat, y_hat_gpu)
    decoded = system.decoder.decode(y_hat, image_size=(96, 128))
    agree(decoded, twin.decoder.decode(y_hat.to(GPU), image_size=(96, 128)))
    alex = lpips_network("alex")
    distance = alex(image, decoded)
    agree(distance, alex.to(GPU)(image.to(GPU), decoded.to(GPU)), tolerance=1e-3)
    agree(
        grid_distortion(image, decoded),
        grid_distortion(image.to(GPU), decoded.to(GPU)),
        tolerance=1e-2,
    )


@pytest.mark.parametrize("there", [True, False], ids=["to the GPU", "from the GPU"])
def test_a_packet_crosses_devices(systems, image, there):
    sender, receiver = systems if there else systems[::-1]
    devices = (CPU, GPU) if there else (GPU, CPU)
    saliency = torch.ones(1, 1, 96, 128)
    packet = sender.send(image.to(devices[0]), 10.0, eta=0.2, saliency=saliency.to(devices[0]))
    arrived = cross_channel(packet, 10.0, channel=Noiseless())
    own = sender.receive(arrived, 10.0)
    agree(own.cpu(), receiver.receive(arrived, 10.0), tolerance=1e-3)


def test_several_steps_with_a_generator_repeat(systems, image):
    _, twin = systems
    y_hat = twin.g_a(image.to(GPU))

    def decode(seed):
        generator = torch.Generator(GPU).manual_seed(seed)
        return twin.decoder.decode(y_hat, image_size=(96, 128), generator=generator, steps=4)

    agree(decode(1).cpu(), decode(1), tolerance=1e-5)  # transposed convolutions add in any order
    with pytest.raises(AssertionError, match="they differ"):
        agree(decode(1).cpu(), decode(2), tolerance=1e-5)


@pytest.fixture
def samples():
    draw = torch.Generator().manual_seed(0)
    coarse = torch.rand(4, 3, 6, 6, generator=draw)
    image = torch.nn.functional.interpolate(coarse, size=(64, 64), mode="bicubic").clamp(0, 1)
    return Samples(image=image, saliency=torch.rand(4, 1, 64, 64, generator=draw))


def objective(system):
    known = RECIPES["tiny"]
    return TrainingObjective(
        system,
        lpips_network("alex").to(next(system.parameters()).device),
        stage=known.stages[-1],
        lambda_rate=0.1,
        lambda_perceptual=0.02,
        lambda_grid=10.0,
        magnification=2,
    )


def test_bf16_gives_the_loss_within_a_hundredth(systems, samples):
    _, twin = systems
    loss = objective(twin.train())
    whole = loss(samples.to(GPU), seed=0).total
    with torch.autocast("cuda", dtype=torch.bfloat16):
        rounded = loss(samples.to(GPU), seed=0).total
    assert rounded.dtype == torch.float32
    assert abs(rounded / whole - 1) < 0.01


def test_compiled_modules_give_the_loss_and_its_gradients(systems, samples):
    _, twin = systems
    loss = objective(twin.train())
    plain = loss(samples.to(GPU), seed=0).total
    plain.backward()
    gradient = twin.g_a.branch[0].weight.grad.clone()
    twin.zero_grad()
    compile_model(twin)
    compiled = loss(samples.to(GPU), seed=0).total
    compiled.backward()
    assert abs(compiled / plain - 1) < 1e-3
    agree(gradient.cpu(), twin.g_a.branch[0].weight.grad, tolerance=1e-2)


@pytest.fixture
def settings(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    draw = torch.Generator().manual_seed(0)
    for index in (0, 1, 2, 3, 4, 11):  # the name photo11 is held out
        coarse = torch.rand(1, 3, 6, 6, generator=draw)
        picture = torch.nn.functional.interpolate(coarse, size=(80, 72), mode="bicubic")
        save_image(picture, photos / f"photo{index:02d}.png")
    return TrainSettings(
        preset="tiny", data=photos, output=tmp_path / "run", workers=0, save_every=1, keep=100
    )


def test_twenty_steps_train_on_the_gpu(settings):
    trainer = Trainer(
        replace(settings, first_stage="3-end-to-end", steps_scale=10.0, mixed_precision="bf16"),
        LRISC_KIND,
    )
    trainer.run()
    assert isinstance(trainer.source, CachedPhotos)
    assert trainer.source.pixels.device.type == "cuda"
    assert next(trainer.model.parameters()).device.type == "cuda"
    model = load_model(settings.output / "model")
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_minutes_end_a_run(settings):
    Trainer(replace(settings, minutes=0.1), LRISC_KIND).run()
    assert (settings.output / "model" / "model.safetensors").is_file()


@pytest.mark.parametrize(("first", "then"), [("cpu", "cuda"), ("cuda", "cpu")])
def test_a_run_goes_on_on_another_device(settings, first, then):
    trainer = Trainer(replace(settings, device=first), LRISC_KIND)
    train_stage = trainer._train_stage

    def train_stage_or_stop(index, first_step):
        if index == 2:
            raise KeyboardInterrupt
        return train_stage(index, first_step)

    trainer._train_stage = train_stage_or_stop
    with pytest.raises(KeyboardInterrupt):
        trainer.run()
    AcceleratorState._reset_state(reset_partial_state=True)
    again = Trainer(replace(settings, device=then, resume=True), LRISC_KIND)
    assert again.states
    again.run()
    assert next(again.model.parameters()).device.type == then
    assert load_model(settings.output / "model") is not None
