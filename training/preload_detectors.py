"""Imported once by the local fork server where detectors are evaluated. Imports only, as in
training/preload.py."""

# ruff: noqa: F401
import torch
import torchvision

import training.evaluate
