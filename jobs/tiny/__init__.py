"""Tiny seeded checkpoints in hub layout, so that real loading code runs without real weights."""
