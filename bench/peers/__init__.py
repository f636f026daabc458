"""What we are measured beside: servers that do less."""
