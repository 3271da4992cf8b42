"""The hands: executors do units; the driver decides which is next, retries or gives up, and commits the results."""
