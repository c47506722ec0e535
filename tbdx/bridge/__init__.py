"""Who else hears it: filters to the outside world. Empty until the first bridge arrives."""
