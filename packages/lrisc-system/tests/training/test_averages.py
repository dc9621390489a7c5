from types import SimpleNamespace

import pytest
import torch

from lrisc_system.training.averages import average_terms

ONE = SimpleNamespace(num_processes=1)


def test_the_mean_of_the_micro_batches():
    terms = [{"total": 1.0, "cbr": 0.5}, {"total": 4.0, "cbr": 0.25}]
    assert average_terms(terms, stop=15, accelerator=ONE) == ({"total": 2.5, "cbr": 0.375}, 15)


def test_the_mean_over_processes_and_the_wish_of_any_to_stop():
    others = torch.tensor([[5.0, 0.0], [6.0, 2.0]])
    accelerator = SimpleNamespace(
        num_processes=3, device="cpu", gather=lambda own: torch.cat([own, others])
    )
    terms = [{"total": 1.0}, {"total": 3.0}]
    assert average_terms(terms, stop=0, accelerator=accelerator) == (
        {"total": pytest.approx(13 / 3)},
        2,
    )
