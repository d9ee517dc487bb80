"""The pages of people: signing in, My Apps, their own account."""
