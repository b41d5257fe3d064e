"""Venue frames in, market entries out: the book by the venue's rule, the tape, and the state of the feed."""
