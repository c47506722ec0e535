"""Where it is kept: files and git."""
