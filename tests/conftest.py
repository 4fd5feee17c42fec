"""For all tests, before any of them is imported."""

import os

#: Read when webdataset is imported: it then runs neither the pickles nor the commands of a shard.
os.environ["WDS_SECURE"] = "1"
