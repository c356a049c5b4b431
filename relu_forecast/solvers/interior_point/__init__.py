"""A primal-dual interior point method on a working set of blocks."""
