"""Benchmarks: each prints its figures and, in the same run, those of something it is compared with.

`python -m bench` runs all of them. Nothing here is a test: figures of a busy machine say little, medians and ratios
of alternating rounds say more. What does *not* live here: conclusions (`docs/explanation/performance.md`).
"""
