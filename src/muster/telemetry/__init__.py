"""What a process tells of itself: log lines with ids, and traces."""
