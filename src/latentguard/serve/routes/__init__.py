"""What can be asked of the server, a file each."""
