"""A second server: the replica promoted, or a base backup restored, while the suite runs."""
