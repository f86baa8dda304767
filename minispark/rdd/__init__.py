"""The RDD class, in one linear chain of files by family of methods."""
