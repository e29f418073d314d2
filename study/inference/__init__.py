"""What a finished study is good for: model folders, and predictions on recordings that no study has seen."""
