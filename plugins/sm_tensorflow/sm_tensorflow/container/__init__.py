"""What runs inside a TensorFlow container; TensorFlow is imported here and nowhere else."""
