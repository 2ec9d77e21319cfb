"""What one task teaches another."""
