"""Ops and graphs of them: functions that pass values on to each other, and jobs that run them."""
