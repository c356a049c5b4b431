"""The search for neurons that violate optimality of a network."""
