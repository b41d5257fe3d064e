"""Data of other recorders to lobflow's own: every format becomes the venue's frames first."""
