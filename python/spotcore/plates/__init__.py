"""Plates: which picture is which well, all wells analysed, what the wells mean together."""
