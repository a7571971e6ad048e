"""Where keys come from when the configuration does not hold them: files, RADIUS, TACACS+."""
