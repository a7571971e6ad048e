"""The parts of rfc_matrix.py: requirement lists, markers of tests, the page, and the texts of the RFCs."""
