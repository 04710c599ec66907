"""What is measured, one file a question. Each has run(stage, options), which returns Findings."""
