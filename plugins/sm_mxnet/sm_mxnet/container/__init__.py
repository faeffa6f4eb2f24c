"""What runs inside an MXNet container; MXNet is imported here and nowhere else."""
