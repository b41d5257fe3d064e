"""The language the services speak and the plumbing they share; takes no decisions."""
