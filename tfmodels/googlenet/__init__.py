"""GoogLeNet: image classification with a deep network of modules (arXiv 1409.4842)."""
