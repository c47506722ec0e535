"""How it moves: publish, subscribe, snapshot. Empty until the journal arrives."""
