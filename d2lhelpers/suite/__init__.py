"""What looks after this repository: its command, runs, records and pages. The helpers need nothing of it."""
