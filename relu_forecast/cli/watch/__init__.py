"""The command watch: samples in while they come, readings out."""
