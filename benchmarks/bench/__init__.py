"""Measures the services beside the limit and beside a peer. `benchmarks/run --help` says how."""
