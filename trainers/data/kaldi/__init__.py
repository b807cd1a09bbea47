"""The text forms of Kaldi and OpenFst, read and written."""
