"""Compares the services with a minimal server and with a peer. See `benchmarks/run --help`."""
