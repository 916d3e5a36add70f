"""Benchmarks you can believe: code, graded in a sandbox."""
