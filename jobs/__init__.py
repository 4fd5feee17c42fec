"""What happens at each stop: one file a stage, a tiny main around a pure batch function."""
