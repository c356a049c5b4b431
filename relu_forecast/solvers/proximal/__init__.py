"""A proximal method with bounded memory, for what does not fit the interior point method."""
