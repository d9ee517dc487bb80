"""What a SCIM server really does: probes, their findings, and the dialect that follows from them."""
