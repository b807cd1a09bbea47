"""The command line; no module here imports TensorFlow before a command needs it."""
