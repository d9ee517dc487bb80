"""What the engine and administration ask of the world, as small protocols."""
