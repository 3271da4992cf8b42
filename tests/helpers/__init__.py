"""What several tests share: invented studies, scripted executors, servers, the command as a user types it."""
