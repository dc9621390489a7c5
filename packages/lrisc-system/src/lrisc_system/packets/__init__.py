"""What crosses the air, and how its side information is coded."""
