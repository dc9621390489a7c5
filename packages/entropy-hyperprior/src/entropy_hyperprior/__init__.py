"""Analysis and synthesis transforms with a mean-scale hyperprior for learned image coding."""

from entropy_hyperprior.hyperprior import (
    Hyperprior,
    HyperpriorConfig,
    HyperpriorOutput,
    LatentPrior,
)
from entropy_hyperprior.likelihood import bits, gaussian_uniform_likelihood
from entropy_hyperprior.linear_start import start_from_pca
from entropy_hyperprior.patch_pca import PatchPCA, fit_patch_pca
from entropy_hyperprior.transforms import (
    AnalysisTransform,
    HyperAnalysis,
    HyperSynthesis,
    SynthesisTransform,
    TransformConfig,
)

__all__ = [
    "AnalysisTransform",
    "HyperAnalysis",
    "HyperSynthesis",
    "Hyperprior",
    "HyperpriorConfig",
    "HyperpriorOutput",
    "LatentPrior",
    "PatchPCA",
    "SynthesisTransform",
    "TransformConfig",
    "bits",
    "fit_patch_pca",
    "gaussian_uniform_likelihood",
    "start_from_pca",
]
