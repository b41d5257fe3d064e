"""Market entries in, one feature vector per `Lob` out; `kernel.py` serves the service and research alike."""
