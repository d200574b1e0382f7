"""Speed of every stage, side by side (`make bench`)."""
