"""Imported once by the local fork server, so that a CPU stage starts in milliseconds.

Imports only: nothing here may start a thread or run an operation, since children are forked
from it.
"""

# ruff: noqa: F401
import numpy
import PIL.Image
import PIL.PngImagePlugin
import pyarrow.parquet
import pycocotools.mask
import scipy.ndimage
import skimage.segmentation

import jobs.assemble
import jobs.edit
import jobs.generate
import jobs.imported
import jobs.index
import jobs.ingest
import jobs.plan
import jobs.prompt
import jobs.propose
import jobs.reals
import jobs.replay
import jobs.score
import jobs.segment
import jobs.segmenters.classical
import jobs.vlms.rules
import pipeline.codecs
