"""Plays recorded sessions of a real tbd against any executable that claims to be one; see `compat.play`."""
