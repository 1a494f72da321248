"""What the daemons and the console share."""
