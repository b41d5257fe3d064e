"""Offline work: datasets, labels, training, scores."""
