"""The sample directory: a company that does not exist, made the same for the same seed, and shipped as a document."""
