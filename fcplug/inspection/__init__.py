"""What is configured and what is installed, looked at without serving: checks and explanations."""
