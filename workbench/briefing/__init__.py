"""What stored results say to people who do not read code: five questions, answered in numbers.

How small may it be, what do we lose, who notices, what does it save, on which device does it run. Nothing is run for
an answer, and nothing here needs torch: `versions` reads results from the store, `classes` and `savings` work out the
rest.
"""
