"""How people say it: options in, one kernel verb, lines out."""
