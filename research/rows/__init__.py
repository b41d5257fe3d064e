"""Rows as Parquet, one file per symbol and day: training data that need not fit into memory."""
