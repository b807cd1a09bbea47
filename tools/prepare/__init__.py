"""Writers of data sets, one file per data set."""
