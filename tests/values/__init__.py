"""Values: micrograd's engine in C and in pure Python, which behave alike."""
