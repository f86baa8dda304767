"""The shuffle: map outputs on disk, external combine, sort and group."""
