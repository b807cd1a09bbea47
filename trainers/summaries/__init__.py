"""What a run tells its reader while it trains: files, TensorBoard, the console."""
