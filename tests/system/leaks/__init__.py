"""What only the warehouses and `order show` may see, looked for in everything else."""
