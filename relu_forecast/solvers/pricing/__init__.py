"""Pricing of blocks: which of those that are zero would lower the objective."""
