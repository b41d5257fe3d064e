"""Data of other recorders to lobflow's own: each format becomes the venue's frames, and those market entries."""
