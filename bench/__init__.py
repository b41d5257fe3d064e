"""Benchmark programs: each prints one JSON line with a ratio to something run beside it."""
