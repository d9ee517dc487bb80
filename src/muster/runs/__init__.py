"""Runs that outlive their process, and runs in the calling thread."""
