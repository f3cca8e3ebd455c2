"""What the table of a planned study says: outcomes, tuned rates, paired intervals, rules of decision, and figures."""
