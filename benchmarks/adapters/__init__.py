"""Adapters: one small module per contestant; see `benchmarks.worker.Adapter`."""
