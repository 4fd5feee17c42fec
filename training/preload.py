"""Imported once by the local fork server where detectors are evaluated and a report is written.

Imports only: nothing here may start a thread or run an operation, since children are forked
from it.
"""

# ruff: noqa: F401
import jinja2
import matplotlib.figure
import segmentation_models_pytorch
import torch

import training.evaluate
import training.report_page
