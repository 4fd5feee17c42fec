"""Imported once by the local fork server where diffusion families will paint.

Imports only, as in jobs/preload.py: the libraries load their submodules lazily, so the pipelines in
use are named.
"""

# ruff: noqa: F401
import torch
import transformers
from diffusers import (
    AutoencoderKL,
    FluxInpaintPipeline,
    HunyuanDiTPipeline,
    KandinskyV22InpaintPipeline,
    KandinskyV22PriorPipeline,
    StableDiffusion3InpaintPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLInpaintPipeline,
)

import jobs.editors.kolors

jobs.editors.kolors.library()
