"""What the data is for: detectors, the DDP loop, exact metrics, the report."""
