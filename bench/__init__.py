"""Benchmarks: README.md says what is measured, how, and the last figures."""
