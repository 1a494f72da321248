"""What runs against the clock."""
