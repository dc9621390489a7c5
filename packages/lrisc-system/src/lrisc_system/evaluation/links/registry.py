"""The links that `--links` may name: how each is made and drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from lrisc_system.baselines import (
    HEVC_420,
    HEVC_444,
    DeepJSCC,
    HEVCConfig,
    LinearLink,
    SeparationLink,
    awgn_capacity,
    rayleigh_capacity,
)
from lrisc_system.baselines.linear.basis import SHIPPED_BASIS, load_basis
from lrisc_system.evaluation.links.ablations import (
    require_realism,
    require_steps,
    with_one_rate,
    without_diffusion,
    without_snr_module,
)
from lrisc_system.evaluation.links.analog import AnalogLinks
from lrisc_system.evaluation.links.coded import CodedLink
from lrisc_system.evaluation.links.link import ComparedLink, UnavailableError
from lrisc_system.evaluation.links.matched import MatchedLink
from lrisc_system.evaluation.links.separation import IdealLink, LDPCLink
from lrisc_system.evaluation.settings import EvaluateSettings
from lrisc_system.lrisc_link import LRISCLink
from lrisc_system.radio.fading import Fading
from lrisc_system.storage.checkpoint import load_model
from lrisc_system.storage.files import hash_file
from lrisc_system.storage.pretrained import CONFIG_NAME, WEIGHTS_NAME
from lrisc_system.system import LRISC

OpenModel = Callable[[str | None, Path], LRISC]
"""Opens a folder: (what `--model` names, folder) -> model in evaluation mode."""

CAPACITIES = {Fading.none: awgn_capacity, Fading.fast: rayleigh_capacity}
"""(SNR in dB) -> bits per complex channel use, for the channels that have a capacity."""

Factory = Callable[[EvaluateSettings, torch.device, OpenModel], ComparedLink]


@dataclass(frozen=True)
class LinkKind:
    """One entry of `--links`.

    Args:
        title: name in tables and legends.
        colour: in figures.
        make: (settings, device of the models, function that opens a folder) -> link. It raises
            UnavailableError where the link cannot be made.
        bound: whether this is an upper bound on all links of its kind and not a real link.
        named_only: whether this is a variant of LRISC, which is compared only if `--links` names
            it.
    """

    title: str
    colour: str
    make: Factory
    bound: bool = False
    named_only: bool = False


def lrisc_factory(
    change: Callable[[LRISC], LRISC] | None = None,
    *,
    alpha: float | None = None,
    steps: int | None = None,
    realism: float | None = None,
    link: type[LRISCLink] = LRISCLink,
) -> Factory:
    """Make LRISC by the model that `--checkpoint` and `--model` name.

    Args:
        change: what is done to the model.
        alpha: weight of the background; that of the settings by default.
        steps: of diffusion; those of the settings by default.
        realism: of the images; that of the settings by default.
        link: how packets cross the channel.
    """

    def make(settings: EvaluateSettings, device: torch.device, open_model: OpenModel) -> LRISCLink:
        system = open_model(settings.model, settings.checkpoint).to(device)
        named = {} if settings.model is None else {"model": settings.model}
        return link(
            system if change is None else change(system),
            channel=settings.fading.channel(),
            identity={"weights": hash_file(settings.checkpoint / WEIGHTS_NAME), **named},
            alpha=settings.alpha if alpha is None else alpha,
            steps=settings.steps if steps is None else steps,
            realism=settings.realism if realism is None else realism,
            realism_roi=settings.realism_roi if realism is None else None,
        )

    return make


def open_lrisc(model: str | None, folder: Path) -> LRISC:
    """Open an LRISC made of the parts that its config names, from a folder.

    Raises:
        ValueError: a model is named: what names stand for is known to
            `lrisc_system.commands.models.open_model`.
        CheckpointError: as `load_model` does.
    """
    if model is not None:
        raise ValueError(f"expected `open_model` to open the model {model!r}, got none")
    return load_model(folder)


def ablation(title: str, colour: str, make: Factory) -> LinkKind:
    """Describe LRISC without one of its parts."""
    return LinkKind(title, colour, make, named_only=True)


def make_deepjscc(
    settings: EvaluateSettings, device: torch.device, open_model: OpenModel
) -> AnalogLinks:
    """Load every model below the folder that `--deepjscc` names."""
    folders = sorted(path.parent for path in settings.deepjscc.rglob(CONFIG_NAME))
    if not folders:
        raise ValueError(f"expected trained DeepJSCC in or below {settings.deepjscc}, got none")
    models = [DeepJSCC.from_pretrained(folder).to(device) for folder in folders]
    reals = [model.config.reals_per_token for model in models]
    if len(set(reals)) < len(reals):
        raise ValueError(f"{settings.deepjscc}: expected one model a bandwidth, got {reals}")
    weights = sorted(hash_file(folder / WEIGHTS_NAME) for folder in folders)
    return AnalogLinks(models, channel=settings.fading.channel(), identity={"weights": weights})


def make_linear(
    settings: EvaluateSettings, device: torch.device, open_model: OpenModel
) -> AnalogLinks:
    """Make the linear link of every bandwidth that the shipped transform has components for."""
    pca = load_basis()
    counts = range(2, pca.basis.shape[1] + 1, 2)
    return AnalogLinks(
        [LinearLink(pca, reals_per_token=count).to(device) for count in counts],
        channel=settings.fading.channel(),
        identity={"weights": hash_file(Path(SHIPPED_BASIS, WEIGHTS_NAME))},
    )


def make_matched(
    settings: EvaluateSettings, device: torch.device, open_model: OpenModel
) -> MatchedLink:
    """Make LRISC at the bandwidth that DeepJSCC takes."""
    lrisc = LINKS["lrisc"].make(settings, device, open_model)
    return MatchedLink(lrisc, reference=make_deepjscc(settings, device, open_model))


@cache
def separation_link(fading: Fading) -> SeparationLink:
    """Make one link for both chroma formats, so that both use the same trials."""
    return SeparationLink(fading.channel())


def ldpc_factory(config: HEVCConfig) -> Factory:
    """Make HEVC + LDPC with an option set of HEVC."""
    return lambda settings, *_: LDPCLink(config, link=separation_link(settings.fading))


def ideal_factory(config: HEVCConfig) -> Factory:
    """Make HEVC at capacity with an option set of HEVC."""

    def make(settings: EvaluateSettings, device: torch.device, open_model: OpenModel) -> IdealLink:
        if settings.fading not in CAPACITIES:
            raise UnavailableError("one fading for a whole image has no ergodic capacity")
        return IdealLink(config, capacity=CAPACITIES[settings.fading])

    return make


# Colours that colour-blind eyes tell apart [Okabe and Ito 2008]; a bound has that of its link.
GREEN, PURPLE = "#009E73", "#CC79A7"
MATCHED = "lrisc-matched"
REALISMS = {0.25: "#E8590C", 0.5: "#F76707", 0.75: "#FD7E14", 1.0: "#F08C00"}
LINKS: dict[str, LinkKind] = {
    "lrisc": LinkKind("LRISC", "#D55E00", lrisc_factory()),
    "lrisc-coded": LinkKind("LRISC, all uses counted", "#8B4513", lrisc_factory(link=CodedLink)),
    "deepjscc": LinkKind("DeepJSCC", "#0072B2", make_deepjscc),
    "linear": LinkKind("linear (KLT)", "#555555", make_linear),
    "ldpc-420": LinkKind("HEVC 4:2:0 + LDPC", GREEN, ldpc_factory(HEVC_420)),
    "ldpc-444": LinkKind("HEVC 4:4:4 + LDPC", PURPLE, ldpc_factory(HEVC_444)),
    "ideal-420": LinkKind("HEVC 4:2:0 at capacity", GREEN, ideal_factory(HEVC_420), bound=True),
    "ideal-444": LinkKind("HEVC 4:4:4 at capacity", PURPLE, ideal_factory(HEVC_444), bound=True),
    **{
        f"realism-{realism:g}": LinkKind(
            f"LRISC, realism {realism:g}",
            colour,
            lrisc_factory(require_realism, realism=realism),
            named_only=True,
        )
        for realism, colour in REALISMS.items()
    },
    "no-roi": ablation("no ROI", "#56B4E9", lrisc_factory(alpha=1.0)),
    "no-snr-module": ablation("no SNR module", "#E69F00", lrisc_factory(without_snr_module)),
    "one-rate": ablation("one rate", "#F0E442", lrisc_factory(with_one_rate)),
    "no-diffusion": ablation("g_s alone", "#000000", lrisc_factory(without_diffusion)),
    "steps-4": ablation("4 steps", "#999999", lrisc_factory(require_steps, steps=4)),
    "steps-17": ablation("17 steps", "#882255", lrisc_factory(require_steps, steps=17)),
    "steps-65": ablation("65 steps", "#332288", lrisc_factory(require_steps, steps=65)),
    MATCHED: LinkKind("LRISC at DeepJSCC's CBR", "#AA4499", make_matched),
}

# Several settings of one link each, in their order: a line joins them where realism is drawn.
SERIES = (
    ("lrisc", *(f"realism-{realism:g}" for realism in REALISMS)),
    ("lrisc", "steps-4", "steps-17", "steps-65"),
)


def make_links(
    settings: EvaluateSettings,
    *,
    device: torch.device,
    say: Callable[[str], None],
    open_model: OpenModel | None = None,
    padded: bool = False,
) -> dict[str, ComparedLink]:
    """Make the links that the settings name, or all that are possible but the variants of LRISC.

    Args:
        settings: of the evaluation.
        device: of the models.
        say: called with a line for every link that is left out because it cannot be made here.
        open_model: opens the folder that `--checkpoint` names; `open_lrisc` by default.
        padded: whether DeepJSCC has to pad some image. LRISC is then also compared at the CBR that
            DeepJSCC takes.

    Raises:
        ValueError: an unknown name, a link that was named and is not possible, or a missing or
            damaged model.
    """
    unknown = [name for name in settings.links if name not in LINKS]
    if unknown:
        raise ValueError(f"expected links of {', '.join(LINKS)}, got {unknown[0]!r}")
    open_model = open_lrisc if open_model is None else open_model
    links: dict[str, ComparedLink] = {}
    names = list(settings.links) or [
        name for name, kind in LINKS.items() if not kind.named_only and name != MATCHED
    ]
    if padded and {"lrisc", "deepjscc"} <= set(names) and MATCHED not in names:
        names.append(MATCHED)
    for name in names:
        try:
            links[name] = LINKS[name].make(settings, device, open_model)
        except UnavailableError as error:
            if settings.links:
                raise ValueError(f"the link {name} is not possible: {error}") from error
            say(f"{name} is left out: {error}")
    return links
