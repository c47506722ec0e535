"""What is true: pure functions, values in and values out."""
