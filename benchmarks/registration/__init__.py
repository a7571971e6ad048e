"""Registrations a second of home-agent CPU, memory of bindings, and a storm; FreeRADIUS measured beside it."""
