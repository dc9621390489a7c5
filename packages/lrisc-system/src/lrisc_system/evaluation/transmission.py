"""One transmission of one image by one link."""

from __future__ import annotations

import time
import zlib

import torch
from torch import Generator

from lrisc_system.data.crops import mix_seed
from lrisc_system.evaluation.measure import EvaluationImage
from lrisc_system.evaluation.rows import Refusal, Row, Task
from lrisc_system.evaluation.set_samples import SEED, SampleFolder
from lrisc_system.evaluation.settings import Point
from lrisc_system.link import Arrival, Link, OutOfReachError


@torch.no_grad()
def transmit(link: Link, source: EvaluationImage, point: Point, *, seed: int) -> Arrival:
    """Send an image and receive it.

    The draws of the channel are those of the seed and the image's name, the same for every link
    and at every point.

    Args:
        link: what sends.
        source: the image.
        point: channel and bandwidth.
        seed: which of the channel's draws.

    Raises:
        OutOfReachError: the link cannot serve this bandwidth.
    """
    draws = Generator().manual_seed(mix_seed(seed, zlib.crc32(source.name.encode())))
    return link.transmit(
        source.image, point.snr_db, cbr=point.cbr, saliency=source.saliency, generator=draws
    )


def perform(
    task: Task, link: Link, source: EvaluationImage, *, samples: SampleFolder
) -> Row | Refusal:
    """Do a task: send the image, receive it, measure it.

    Args:
        task: what to do.
        link: the task's link.
        source: the task's image.
        samples: where to store what the image adds to the figures of its set.
    """
    begun = time.perf_counter()
    try:
        arrival = transmit(link, source, task.point, seed=task.seed)
    except OutOfReachError as error:
        return Refusal(task, str(error))
    seconds = time.perf_counter() - begun
    if task.seed == SEED:
        if not samples.has_source(source.name):
            samples.write_source(source.source_sample(), source.name)
        sample = source.sample(arrival.image)
        samples.write(sample, source.name, link=task.link, point=task.point)
    return Row(task, arrival.cbr, arrival.delivered, source.measure(arrival.image), seconds)
