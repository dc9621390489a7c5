"""The loss terms of a step over its micro-batches and processes, and the wish to stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from accelerate import Accelerator


def average_terms(
    micro_batches: Sequence[Mapping[str, float]], *, stop: int, accelerator: Accelerator
) -> tuple[dict[str, float], int]:
    """Average over the micro-batches of all processes, and agree whether to stop.

    Every process must call this. All get the same answer, so that all stop after the same step.

    Args:
        micro_batches: of this process: name of a loss term -> value.
        stop: number of the signal that this process has got; 0 for none.
        accelerator: joins the processes.

    Returns:
        The means, and the largest number of a signal.
    """
    names = list(micro_batches[0])
    means = [sum(terms[name] for terms in micro_batches) / len(micro_batches) for name in names]
    if accelerator.num_processes > 1:
        own = torch.tensor([[*means, float(stop)]], device=accelerator.device)
        every = accelerator.gather(own)  # (processes, terms + 1)
        means, stop = every[:, :-1].mean(dim=0).tolist(), int(every[:, -1].max())
    return dict(zip(names, means, strict=True)), stop
