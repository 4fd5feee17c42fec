"""Imported once by the local fork server where detectors are trained by one process, or evaluated.
Imports only, as in training/preload.py."""

# ruff: noqa: F401
import torch
import torchvision

import training.evaluate
import training.train
