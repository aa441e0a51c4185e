"""The tools of authors and operators: check, explain, scaffold, invoke."""
