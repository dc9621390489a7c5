"""The recipes of LRISC's presets: Algorithm 1 of the paper, and what fits smaller machines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lrisc_system.training.recipes import Recipe, Stage

ADAPTERS = ("jscc_encoder.snr_adapter", "jscc_decoder.snr_adapter")
PRIOR_CODEC = ("g_a", "hyperprior", "decoder")
JSCC_CODEC = ("jscc_encoder", "jscc_decoder")

# Every image crosses the channel but one in eight, at any rate, SNR and weight of the background.
ANY_LINK: dict[str, Any] = {
    "clean_share": 0.125,
    "snr_db": (0.0, 20.0),
    "eta": (0.05, 0.6),
    "alpha": (0.2, 1.0),
}

# COCO, 50,000 images: one epoch is 3,125 steps of 16.
PAPER_STAGES = (
    Stage(
        "1-prior-codec",
        trainable=PRIOR_CODEC,
        clean_share=1.0,
        steps=62_500,
        rate_warmup=6_250,
    ),
    Stage("2a-jscc-codec", trainable=JSCC_CODEC, frozen=ADAPTERS, steps=31_250),
    Stage("2b-snr-adapter", trainable=JSCC_CODEC, snr_db=(0.0, 20.0), steps=31_250),
    Stage(
        "3-end-to-end",
        trainable=("",),
        clean_share=0.5,
        snr_db=(0.0, 20.0),
        eta=(0.1, 0.4),
        steps=62_500,
        final_learning_rate=1e-6,
    ),
)

SMALL_STAGES = (
    Stage(
        "0-hyperprior",
        trainable=("hyperprior",),
        clean_share=1.0,
        decode_images=False,
        steps=600,
        learning_rate=2e-3,
        final_learning_rate=2e-4,
        alpha=(0.2, 1.0),
        crop=128,
        batch_size=16,
    ),
    Stage(
        "1-prior-codec",
        trainable=PRIOR_CODEC,
        clean_share=1.0,
        steps=600,
        learning_rate=5e-4,
        final_learning_rate=3e-4,
        rate_warmup=200,
        alpha=(0.2, 1.0),
        crop=128,
        batch_size=8,
    ),
    Stage(
        "2a-jscc-codec",
        trainable=JSCC_CODEC,
        frozen=ADAPTERS,
        steps=150,
        learning_rate=3e-4,
        final_learning_rate=3e-4,
        eta=(0.05, 0.6),
        alpha=(0.2, 1.0),
        crop=128,
        batch_size=8,
    ),
    Stage(
        "2b-snr-adapter",
        trainable=JSCC_CODEC,
        snr_db=(0.0, 20.0),
        steps=150,
        learning_rate=3e-4,
        final_learning_rate=3e-4,
        eta=(0.05, 0.6),
        alpha=(0.2, 1.0),
        crop=128,
        batch_size=8,
    ),
    Stage(
        "3-end-to-end",
        trainable=("",),
        **ANY_LINK,
        steps=24_000,
        learning_rate=5e-4,
        final_learning_rate=3e-4,
        crop=128,
        batch_size=8,
    ),
    Stage(
        "3-larger-crops",
        trainable=("",),
        **ANY_LINK,
        steps=6000,
        learning_rate=3e-4,
        final_learning_rate=1e-6,
        crop=192,
        batch_size=8,
    ),
    Stage(
        "4-realism",
        trainable=("decoder.natural_unet",),
        **ANY_LINK,
        steps=2000,
        learning_rate=2e-4,
        final_learning_rate=1e-6,
        warmup=50,
        crop=144,
        batch_size=8,
        realism=True,
        adversarial_weight=2.0,
        adversarial_warmup=200,
    ),
)

# The closed form spares `base` the stages 1 and 2. One epoch of 2,871 photos is 90 steps of 32.
BASE_STAGES = (
    Stage(
        "0-hyperprior",
        trainable=("hyperprior",),
        clean_share=1.0,
        decode_images=False,
        steps=2000,
        learning_rate=2e-3,
        final_learning_rate=2e-4,
        alpha=(0.2, 1.0),
        crop=128,
        batch_size=32,
    ),
    Stage(
        "3-end-to-end",
        trainable=("",),
        **ANY_LINK,
        steps=20_000,
        learning_rate=6e-4,
        final_learning_rate=1e-6,
        warmup=200,
        crop=256,
        batch_size=32,
    ),
    Stage(
        "4-realism",
        trainable=("decoder.natural_unet",),
        **ANY_LINK,
        steps=10_000,
        learning_rate=3e-4,
        final_learning_rate=1e-6,
        warmup=100,
        crop=192,
        batch_size=32,
        realism=True,
        adversarial_weight=2.0,
        adversarial_warmup=500,
    ),
)

TINY_STAGES = tuple(
    replace(
        stage,
        steps=2,
        learning_rate=1e-3,
        final_learning_rate=1e-3,
        rate_warmup=1,
        adversarial_warmup=1,
        crop=64,
        batch_size=2,
    )
    for stage in SMALL_STAGES
)

RECIPES = {
    "paper": Recipe(PAPER_STAGES),
    "base": Recipe(
        BASE_STAGES, lambda_rate=0.15, lambda_perceptual=0.02, magnification=2, lambda_grid=200.0
    ),
    "small": Recipe(
        SMALL_STAGES, lambda_rate=0.15, lambda_perceptual=0.02, magnification=2, lambda_grid=200.0
    ),
    "tiny": Recipe(TINY_STAGES, lambda_perceptual=0.02, magnification=2),
}
