"""PCA: the directions of largest variance, exactly or from a sketch, in one pass over the data."""
