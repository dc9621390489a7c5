import pytest
import torch

from lrisc_system.config import TINY
from lrisc_system.data.photos import Samples
from lrisc_system.metrics.quality import lpips_network
from lrisc_system.system import LRISC
from lrisc_system.training.lrisc import TrainableLRISC
from lrisc_system.training.memory import Activations, Plan, plan
from lrisc_system.training.objective import TrainingObjective
from lrisc_system.training.presets import RECIPES
from lrisc_system.training.settings import TrainSettings
from lrisc_system.training.setup import freeze_all_but

STAGE = RECIPES["tiny"].stages[-2]  # the last that trains the most


@pytest.fixture(scope="module")
def planned():
    settings = TrainSettings(preset="tiny", data=".", output=".")
    return plan(settings, trainable=TrainableLRISC())


class TestAMeasuredStep:
    """A real step of `tiny` with four images, every tensor looked at."""

    @pytest.fixture(scope="class")
    def measured(self):
        system, perceptual = LRISC(TINY), lpips_network("alex")
        trained = freeze_all_but(STAGE, system)
        adam = torch.optim.Adam(trained.values())
        objective = TrainingObjective(
            system, perceptual, stage=STAGE, lambda_rate=1.0, lambda_perceptual=1.0
        ).train()
        known = [*system.state_dict().values(), *perceptual.state_dict().values()]
        known = {tensor.untyped_storage().data_ptr() for tensor in known}
        kept, sizes = [], {}

        def keep(tensor):
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in known:
                sizes[storage.data_ptr()] = storage.nbytes()
                kept.append(tensor)
            return tensor

        image = torch.rand(4, 3, STAGE.crop, STAGE.crop)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            terms = objective(Samples(image=image, saliency=image[:, :1].clone()), seed=1)
        terms.minimized().backward()
        adam.step()
        moments = [t for s in adam.state.values() for key, t in s.items() if key != "step"]
        return {
            "activations": sum(sizes.values()),
            "gradients": sum(p.grad.nbytes for p in trained.values() if p.grad is not None),
            "adam": sum(tensor.nbytes for tensor in moments),
            "parameters": sum(parameter.nbytes for parameter in system.parameters()),
        }

    def test_counts_are_exact(self, planned, measured):
        assert planned.parameters == planned.average == measured["parameters"]
        assert planned.gradients == measured["gradients"]
        assert planned.adam == measured["adam"]

    def test_activations_are_within_two_percent(self, planned, measured):
        assert planned.activations(4).whole == pytest.approx(measured["activations"], rel=0.02)

    def test_recomputing_keeps_less(self, planned):
        kept = planned.activations(4)
        assert 0 < kept.recomputed < 0.8 * kept.whole


def test_a_batch_by_hand():
    made = Plan(
        parameters=1,
        gradients=2,
        adam=4,
        average=8,
        frozen=16,
        fixed=Activations(100, 10),
        image=Activations(1000, 100),
    )
    assert made.state() == 31
    assert made.activations(3) == Activations(3100, 310)
