"""Benchmarks you can believe: how right a model answers, and how fast."""
