"""What a study is, what happened in it, and what it comes to: plan, events, ledger, results."""
