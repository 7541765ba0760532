"""What rules/ decides, module by module."""
