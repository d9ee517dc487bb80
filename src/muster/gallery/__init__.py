"""The gallery: an application is a page of data."""
