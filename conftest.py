"""What every test of the repository needs."""

import torch

# Two threads on a busy machine are slower than one.
torch.set_num_threads(1)
