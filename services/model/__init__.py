"""features -> predictions: serves folded linear models, one `Prediction` per `FeatureVector`."""
