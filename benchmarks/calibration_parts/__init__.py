"""The page of the calibration: requirements, tables, picture."""
