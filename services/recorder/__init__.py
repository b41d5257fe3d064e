"""Every stream to Parquet: enters what is on Redis, leaves files that are never half written."""
