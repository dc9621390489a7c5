"""What every test of the repository needs."""

import gc

import torch

# Two threads on a busy machine are slower than one.
torch.set_num_threads(1)


def pytest_collection_finish() -> None:
    """Spare the garbage collector what lives to the end: a third of a tiny training."""
    gc.collect()
    gc.freeze()
