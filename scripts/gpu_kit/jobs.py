"""The jobs that a GPU runs in minutes, in order; docs/training-log.md says which are done."""

from dataclasses import dataclass

COMMON = ("--mixed-precision", "bf16", "--cache", "device", "--workers", "0")


@dataclass(frozen=True)
class Job:
    """What one call of the machine does.

    Args:
        about: in a line.
        train: options of `lrisc train`; a job without any trains nothing.
        minutes: of training.
        goes_on: whether it starts from the weights in the kit.
        tests: whether it runs `pytest -m gpu` and profiles one step of `base`.
        batches: sizes of the batch to choose from, by the images per second that they bring; the
            recipe's own without any.
    """

    about: str
    train: tuple[str, ...] = ()
    minutes: float = 7.5
    goes_on: bool = False
    tests: bool = False
    batches: tuple[int, ...] = ()


def deepjscc(reals: int) -> Job:
    """DeepJSCC of published size at one bandwidth."""
    return Job(
        f"DeepJSCC of 256 channels, {reals} real numbers for 16 x 16 pixels",
        train=(
            "--model",
            "deepjscc",
            "--preset",
            "paper",
            "--reals-per-token",
            str(reals),
            *COMMON,
        ),
        minutes=2.6,
    )


JOBS: dict[str, tuple[Job, ...]] = {
    "smoke": (Job("tests on the GPU, throughput, compile times", tests=True),),
    "base-start": (Job("`base` from the closed form", train=("--preset", "base", *COMMON)),),
    "base-more": (
        Job(
            "`base` goes on, crops of 256",
            train=("--preset", "base", "--first-stage", "3-end-to-end", *COMMON),
            minutes=7.0,
            goes_on=True,
            batches=(32, 64, 128),
        ),
    ),
    "deepjscc": tuple(deepjscc(reals) for reals in (32, 64, 128)),
    "paper": (Job("the `paper` preset, as far as it gets", train=("--preset", "paper", *COMMON)),),
}
