"""The vault: who people are, sealed; found by blind index; and the list of those who must not be contacted again."""
