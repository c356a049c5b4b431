"""The demo: an experiment on the shipped ECG, and the command that runs it."""
