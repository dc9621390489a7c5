"""The jobs that a GPU runs in minutes, in order; docs/training-log.md says which are done."""

from dataclasses import dataclass

TRAINED = "3-end-to-end"  # the stage of `base` that takes the longest
COMMON = ("--mixed-precision", "bf16", "--cache", "device", "--workers", "0")


@dataclass(frozen=True)
class Job:
    """One job on the machine with the GPU.

    Args:
        about: description in one line.
        train: options of `lrisc train`; without options, the job trains nothing.
        minutes: minutes of training.
        from_kit: whether training starts from the weights in the kit.
        tests: whether the job runs `pytest -m gpu` and profiles one step of `base`.
        batches: batch sizes to measure, of which the job chooses one; the recipe's without any.
    """

    about: str
    train: tuple[str, ...] = ()
    minutes: float = 7.5
    from_kit: bool = False
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
    "smoke": (Job("tests on the GPU, a profile of one step of `base`", tests=True),),
    "base-start": (
        Job(
            "`base` from the closed form",
            train=("--preset", "base", "--last-stage", TRAINED, *COMMON),
        ),
    ),
    "base-more": (
        Job(
            "more training of `base`, crops of 256",
            train=(
                "--preset",
                "base",
                "--first-stage",
                TRAINED,
                "--last-stage",
                TRAINED,
                *COMMON,
            ),
            minutes=7.0,
            from_kit=True,
            batches=(32, 64, 128),
        ),
    ),
    "base-realism": (
        Job(
            "realism of `base`, the image decoder alone",
            train=("--preset", "base", "--first-stage", "4-realism", *COMMON),
            minutes=7.0,
            from_kit=True,
        ),
    ),
    "deepjscc": tuple(deepjscc(reals) for reals in (32, 64, 128)),
    "paper": (
        Job("the `paper` preset, for the time there is", train=("--preset", "paper", *COMMON)),
    ),
}
