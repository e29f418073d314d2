"""What runs next and when it stops: pure decisions, and their thin shells around Ray Tune and Optuna."""
