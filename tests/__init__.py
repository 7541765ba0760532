"""What proves the watch; one folder per way of proving."""
