"""What the staff decide for the whole site: who may join, the demo songs, accounts, and the first steps."""
