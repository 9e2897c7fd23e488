"""What ops compute: values, gradients, dtypes and bits."""
