"""What must hold, a module per section."""
