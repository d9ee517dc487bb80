"""The kit of the web faces: page frame, assets, sessions, form seals, brakes against guessing, and how values read."""
