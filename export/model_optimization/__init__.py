"""Pruning, clusters and 8 bits by tensorflow-model-optimization, in its own process.

The library knows Keras 2 (tf-keras) only and turns `tf.keras` of its process into that.
So it is never imported here: `worker`, `methods`, `rebuilding` and `layers` are for the
other process, all other modules for this one.
"""
