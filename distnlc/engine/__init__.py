"""The hands: executors do units, the driver decides which, again or given up, and commits what comes back."""
