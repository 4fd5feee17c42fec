"""Imported once by the local fork server where a report is written; without torch.

Imports only: nothing here may start a thread or run an operation, since children are forked
from it.
"""

# ruff: noqa: F401
import jinja2
import matplotlib.figure

import training.report_page
