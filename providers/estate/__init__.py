"""What is deployed, as the clouds and the hosts themselves tell it: read, never changed."""
