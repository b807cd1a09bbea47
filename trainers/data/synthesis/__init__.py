"""Speech to learn to speak from: manifests, features, batches."""
