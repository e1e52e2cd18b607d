"""Join parts to services: which adapter stands behind which port."""
