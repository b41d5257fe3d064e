"""What came of it all: folds the ledger, serves REST and metrics, and is the only writer of `control`."""
