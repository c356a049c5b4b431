"""Data as people hold it, read into checked series; what a model may know at a cutoff."""
