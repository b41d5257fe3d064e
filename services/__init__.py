"""The services. Each imports `shared` and itself, nothing else of ours."""
