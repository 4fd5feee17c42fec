"""What runs and in which order. Read dag.py, then records.py, then stage.py.

This package never imports torch, diffusers or transformers.
"""
